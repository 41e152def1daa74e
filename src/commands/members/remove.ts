import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { statusDeps, thisMachine } from '../../daemon/this-machine.js';
import { dryRunFlag, yesFlag } from '../../global-flags.js';
import { type MemberChange, planRemoval, removeMember } from '../../operations/change-members.js';
import { describeRemoval } from '../../rendering/render-members.js';

export default class MembersRemove extends BaseCommand<typeof MembersRemove> {
  static override summary = 'End a member’s membership, so that its share of history can go.';
  static override description =
    'Nobody exchanges anything with it from then on. What it had written and not sent stays in its file, and comes along ' +
    'when it is back: type `sqlsync rejoin` there. What it was to get it gets then.';
  static override examples = ['<%= config.bin %> members remove lyon'];
  static override args = { name: Args.string({ required: true, description: 'the member’s node name' }) };
  static override flags = { 'dry-run': dryRunFlag, yes: yesFlag };

  async run(): Promise<MemberChange> {
    const database = pickDatabase(this.loadConfig(), this.flags.database);
    const plan = await planRemoval(database, this.args.name, statusDeps(this.config.version));
    const dryRun = Boolean(this.flags['dry-run']);
    const description = describeRemoval(plan.report, thisMachine.now());
    if (plan.changed && !dryRun) await this.confirm(`${description} Remove it?`);
    const change = removeMember(database, plan, { dryRun, command: this.commandLine }, thisMachine);
    const done = dryRun ? `would be removed; nothing was changed. ${description}` : 'is removed';
    this.log(`${change.member} ${change.changed ? done : 'was removed already'}`);
    if (change.changed && !dryRun) this.note(`to come back, on ${change.member}: sqlsync rejoin`);
    return change;
  }
}
