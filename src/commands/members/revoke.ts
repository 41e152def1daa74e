import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { thisMachine } from '../../daemon/this-machine.js';
import { yesFlag } from '../../global-flags.js';
import { type Revocation, revokeMember } from '../../operations/revoke-member.js';

export default class MembersRevoke extends BaseCommand<typeof MembersRevoke> {
  static override summary = 'Make a member’s credentials worthless.';
  static override description =
    'Every member that hears of it exchanges nothing with that node any more, and closes what is open. A node that knows ' +
    'the shared secret could come back under another name: exchange the secret too.';
  static override examples = ['<%= config.bin %> members revoke lyon'];
  static override args = { name: Args.string({ required: true, description: 'the member’s node name' }) };
  static override flags = { yes: yesFlag };

  async run(): Promise<Revocation> {
    const database = pickDatabase(this.loadConfig(), this.flags.database);
    const { name } = this.args;
    await this.confirm(`Nothing will be exchanged with ${name} any more. Revoke its credentials?`);
    const revocation = revokeMember(database, name, this.commandLine, thisMachine);
    this.log(revocation.changed ? `${name} is revoked` : `${name} was revoked already`);
    if (!revocation.hadKey) {
      this.note(`${name} knows the shared secret: exchange it on every other node, or it can come under another name`);
    }
    return revocation;
  }
}
