import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { peerSnapshots } from '../daemon/peer-snapshots.js';
import { memberKeys, thisMachine } from '../daemon/this-machine.js';
import { dryRunFlag } from '../global-flags.js';
import { nodeFlags, urlOrInvitationArg } from '../node-flags.js';
import { findConfigurationTarget } from '../operations/configuration-target.js';
import { type JoinReport, joinDatabase } from '../operations/join-database.js';
import { mergeFrom } from '../operations/merge-database.js';
import { ProgressLine } from '../progress-line.js';
import { renderBytes } from '../render-figures.js';
import { renderMerge } from '../rendering/render-merge.js';

export default class Join extends BaseCommand<typeof Join> {
  static override summary = 'Make a database a copy of a peer’s, and this node a member of its data set.';
  static override description =
    'Fetches a snapshot from the peer at URL, puts it where DB is to be, and writes the configuration. In place of the URL ' +
    'stands an invitation (`sqlsync invite` on the peer); without one the nodes share a secret: copy the peer’s secret ' +
    'file here first. A database that has rows is only replaced with --replace, and then ' +
    'kept beside the new one; or joined with the peer’s row by row with --merge, which --dry-run forecasts: what loses is ' +
    'kept in conflict records. A join that was cut short can be repeated.';
  static override examples = [
    '<%= config.bin %> join sqlsync-invite:… shop.db',
    '<%= config.bin %> join http://127.0.0.1:7420 shop.db --node lyon --secret-file ./sqlsync.secret',
    '<%= config.bin %> join https://paris:7420 shop.db --name shop --listen 127.0.0.1:7421 --replace',
    '<%= config.bin %> join https://paris:7420 shop.db --merge --newest-by updated_at --dry-run',
  ];
  static override args = {
    url: urlOrInvitationArg({ required: true, description: 'where the peer listens, or an invitation' }),
    db: Args.string({ required: true, description: 'the SQLite file to make' }),
  };
  static override flags = {
    ...nodeFlags,
    replace: Flags.boolean({ summary: 'Put a database that has rows aside.', exclusive: ['merge'] }),
    merge: Flags.boolean({ summary: 'Join row by row with a database that has rows.' }),
    prefer: Flags.string({
      summary: 'Whose row stands where both have one; manual: the peer’s, until somebody decides.',
      options: ['here', 'there', 'manual'],
      dependsOn: ['merge'],
      exclusive: ['newest-by'],
    }),
    'newest-by': Flags.string({
      summary: 'The row with the greater value in this column stands.',
      helpValue: 'COLUMN',
      dependsOn: ['merge'],
    }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<JoinReport> {
    const { flags, args } = this;
    const merge = mergeFrom(flags);
    const target = findConfigurationTarget({ file: flags.config });
    const line = new ProgressLine(flags.quiet || flags.json ? null : process.stderr);
    const snapshots = peerSnapshots({
      config: target.existing,
      signal: this.signal,
      onProgress: ({ bytes, bytesTotal }) =>
        line.update({ label: 'receiving', unit: 'bytes', done: bytes, total: bytesTotal }),
    });
    const report = await joinDatabase(
      {
        url: typeof args.url === 'string' ? args.url : args.url.url,
        invitation: typeof args.url === 'string' ? null : args.url,
        path: args.db,
        node: flags.node,
        name: flags.name ?? (typeof args.url === 'string' ? undefined : args.url.database),
        listen: flags.listen,
        secretFile: flags['secret-file'],
        replace: flags.replace,
        merge,
        command: this.commandLine,
      },
      target,
      { ...thisMachine, snapshots, keys: memberKeys },
    ).finally(() => line.clear());
    if (report.merge !== null) this.log(renderMerge(report.merge));
    if (merge?.dryRun) return report;
    this.log(
      `${report.path} is database ${report.database} of node ${report.node}: ${renderBytes(report.bytes)} from ${report.peer}`,
    );
    if (report.setAside !== null) this.log(`the file that was there is ${report.setAside}`);
    this.note(`next: sqlsync start`);
    return report;
  }
}
