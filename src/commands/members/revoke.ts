import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { thisMachine } from '../../daemon/this-machine.js';
import { dryRunFlag, yesFlag } from '../../global-flags.js';
import { type Revocation, revokeMember } from '../../operations/revoke-member.js';

export default class MembersRevoke extends BaseCommand<typeof MembersRevoke> {
  static override summary = 'Make a member’s credentials worthless.';
  static override description =
    'Every member that hears of it exchanges nothing with that node any more, and closes what is open. A node that knows ' +
    'the shared secret could come back under another name: exchange the secret too.';
  static override examples = ['<%= config.bin %> members revoke lyon'];
  static override args = { name: Args.string({ required: true, description: 'the member’s node name' }) };
  static override flags = { 'dry-run': dryRunFlag, yes: yesFlag };

  async run(): Promise<Revocation> {
    const database = pickDatabase(this.loadConfig(), this.flags.database);
    const { name } = this.args;
    const dryRun = Boolean(this.flags['dry-run']);
    const order = { dryRun, command: this.commandLine };
    // Whom nobody knows nobody is asked about.
    const planned = revokeMember(database, name, { ...order, dryRun: true }, thisMachine);
    if (planned.changed && !dryRun)
      await this.confirm(`Nothing will be exchanged with ${name} any more. Revoke its credentials?`);
    const revocation = dryRun ? planned : revokeMember(database, name, order, thisMachine);
    const done = dryRun ? 'would be revoked; nothing was changed' : 'is revoked';
    this.log(`${name} ${revocation.changed ? done : 'was revoked already'}`);
    if (!revocation.hadKey) {
      this.note(`${name} knows the shared secret: exchange it on every other node, or it can come under another name`);
    }
    return revocation;
  }
}
