import { Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { pickDatabase } from '../config.js';
import { inviteDeps } from '../daemon/this-machine.js';
import { durationFlag } from '../global-flags.js';
import { nodeNameArg, urlFlag } from '../node-flags.js';
import { type InviteReport, inviteNode, isLocalUrl } from '../operations/invite-node.js';

const EXPIRES_MS = 3_600_000;

export default class Invite extends BaseCommand<typeof Invite> {
  static override summary = 'Make an invitation, by which a node can join once.';
  static override description =
    'Prints one line for `sqlsync join` on the machine of the newcomer: where this node is, the fingerprint of its ' +
    'certificate, and a credential that is good once. The newcomer gets a key of its own, which `members revoke` ends; it ' +
    'needs no secret. Send the line as you would send a password.';
  static override examples = [
    '<%= config.bin %> invite lyon',
    '<%= config.bin %> invite archive --read-only --expires 15m --url https://paris.example:7420',
  ];
  static override args = { node: nodeNameArg({ required: true, description: 'the newcomer’s node name' }) };
  static override flags = {
    'read-only': Flags.boolean({ summary: 'Nothing that is written there is taken by others.' }),
    expires: durationFlag({ summary: 'How long it is good; 1h if left out.' }),
    url: urlFlag({ summary: 'Where the newcomer reaches this node, if not at the address on which it listens.' }),
  };

  async run(): Promise<InviteReport> {
    const { flags, args } = this;
    const config = this.loadConfig();
    const report = inviteNode(
      config,
      pickDatabase(config, flags.database),
      {
        node: args.node,
        access: flags['read-only'] ? 'read' : 'write',
        expiresMs: flags.expires ?? EXPIRES_MS,
        url: flags.url,
        command: this.commandLine,
      },
      inviteDeps,
    );
    this.log(report.invite);
    const where = isLocalUrl(report.url) ? ', from this machine alone' : '';
    this.note(`good once, until ${report.expiresAt}${where}; on ${report.node}: sqlsync join INVITE DB`);
    if (config.tls?.clientAuth === 'required') this.note(`${report.node} needs a certificate of tls.ca besides`);
    return report;
  }
}
