import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { statusDeps, thisMachine } from '../../daemon/this-machine.js';
import { dryRunFlag } from '../../global-flags.js';
import { type MemberChange, setMemberAccess } from '../../operations/change-members.js';

const ACCESS = ['read', 'write'] as const;

export default class MembersSet extends BaseCommand<typeof MembersSet> {
  static override summary = 'Set whether a member may write.';
  static override description =
    'With read, nobody takes what is written on it, and nobody waits for that: it stays there only.';
  static override examples = ['<%= config.bin %> members set lyon --access read'];
  static override args = { name: Args.string({ required: true, description: 'the member’s node name' }) };
  static override flags = {
    access: Flags.option({ options: ACCESS })({ required: true, summary: 'Whether others take its changes.' }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<MemberChange> {
    const { access } = this.flags;
    const database = pickDatabase(this.loadConfig(), this.flags.database);
    const deps = { ...thisMachine, ...statusDeps(this.config.version) };
    const order = { dryRun: Boolean(this.flags['dry-run']), command: this.commandLine };
    const change = await setMemberAccess(database, this.args.name, access, order, deps);
    const done = order.dryRun ? `could ${access} then; nothing was changed` : `may ${access} now`;
    this.log(`${change.member} ${change.changed ? done : `may ${access} already`}`);
    return change;
  }
}
