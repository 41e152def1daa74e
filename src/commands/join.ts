import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { peerSnapshots } from '../daemon/peer-snapshots.js';
import { thisMachine } from '../daemon/this-machine.js';
import { SqlsyncError } from '../errors.js';
import { nodeFlags, urlArg } from '../node-flags.js';
import { findConfigurationTarget } from '../operations/configuration-target.js';
import { type JoinReport, joinDatabase } from '../operations/join-database.js';
import { ProgressLine } from '../progress-line.js';
import { renderBytes } from '../render-figures.js';

export default class Join extends BaseCommand<typeof Join> {
  static override summary = 'Make a database a copy of a peer’s, and this node a member of its data set.';
  static override description =
    'Fetches a snapshot from the peer at URL, puts it where DB is to be, and writes the configuration. The nodes share one ' +
    'secret: copy the peer’s secret file here first. A database that has rows is only replaced with --replace, and then ' +
    'kept beside the new one. A join that was cut short can be repeated.';
  static override examples = [
    '<%= config.bin %> join http://127.0.0.1:7420 shop.db --node lyon --secret-file ./sqlsync.secret',
    '<%= config.bin %> join https://paris:7420 shop.db --name shop --listen 127.0.0.1:7421 --replace',
  ];
  static override args = {
    url: urlArg({ required: true, description: 'where the peer listens' }),
    db: Args.string({ required: true, description: 'the SQLite file to make' }),
  };
  static override flags = {
    ...nodeFlags,
    replace: Flags.boolean({ summary: 'Put a database that has rows aside.', exclusive: ['merge'] }),
    merge: Flags.boolean({ summary: 'Join row by row with a database that has rows (not there yet).' }),
  };

  async run(): Promise<JoinReport> {
    const { flags, args } = this;
    if (flags.merge) {
      throw new SqlsyncError('usage', '--merge is not there yet: this version cannot join two sets of rows', {
        hint: '--replace takes the peer’s rows and keeps the file with your own beside the new one.',
      });
    }
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
        url: args.url,
        path: args.db,
        node: flags.node,
        name: flags.name,
        listen: flags.listen,
        secretFile: flags['secret-file'],
        replace: flags.replace,
      },
      target,
      { ...thisMachine, snapshots },
    ).finally(() => line.clear());
    this.log(
      `${report.path} is database ${report.database} of node ${report.node}: ${renderBytes(report.bytes)} from ${report.peer}`,
    );
    if (report.setAside !== null) this.log(`the file that was there is ${report.setAside}`);
    this.note(`next: sqlsync start`);
    return report;
  }
}
