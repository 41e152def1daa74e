import { Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { pickDatabase } from '../config.js';
import { pruneDeps, thisMachine } from '../daemon/this-machine.js';
import { dryRunFlag, durationFlag } from '../global-flags.js';
import { type PruneReport, pruneDatabases } from '../operations/prune-databases.js';
import { renderPrune } from '../rendering/render-prune.js';

export default class Prune extends BaseCommand<typeof Prune> {
  static override summary = 'Remove history that nobody needs, and tell who holds the rest.';
  static override description =
    'Metadata and deletions that every member has, sessions that are over, and log entries that are older than ' +
    'prune.keepLog. What some member has not acknowledged stays. A daemon does this on schedule (prune.schedule), and then ' +
    'evicts members that have been silent for longer than prune.peerTimeout. The room that becomes free is used again; ' +
    '--vacuum gives it back to the disk, while applications wait.';
  static override examples = ['<%= config.bin %> prune --dry-run', '<%= config.bin %> prune --keep-log 1d --vacuum'];
  static override flags = {
    'keep-log': durationFlag({ summary: 'Keep log entries that are younger; else prune.keepLog.' }),
    vacuum: Flags.boolean({
      summary:
        'Rebuild the file without its free room. SQLite may give rows without an INTEGER PRIMARY KEY other rowids.',
    }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<{ items: PruneReport[]; total: number; nextCursor: null }> {
    const { flags } = this;
    const config = this.loadConfig();
    const databases = flags.database === undefined ? config.databases : [pickDatabase(config, flags.database)];
    const order = { keepLogMs: flags['keep-log'] ?? null, dryRun: Boolean(flags['dry-run']), vacuum: flags.vacuum };
    const items = await pruneDatabases(databases, order, pruneDeps(config));
    for (const report of items) this.log(renderPrune(report, thisMachine.now()));
    return { items, total: items.length, nextCursor: null };
  }
}
