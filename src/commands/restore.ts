import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { backupFlags } from '../command-line/backup-flags.js';
import { thisMachine } from '../daemon/this-machine.js';
import { dryRunFlag, yesFlag } from '../global-flags.js';
import { keyFor } from '../operations/backup/backup-key.js';
import { findBackup } from '../operations/backup/open-store.js';
import {
  isReplacing,
  RESTORE_PURPOSES,
  type RestorePurpose,
  type RestoreReport,
  restoreDatabase,
} from '../operations/backup/restore-database.js';
import { loadConfigIfAny } from '../operations/configuration-target.js';
import { ProgressLine } from '../progress-line.js';
import { renderRestore, restoreNotes, unpackProgress } from '../rendering/render-backup.js';

export default class Restore extends BaseCommand<typeof Restore> {
  static override summary = 'Put a backup in the place of a database.';
  static override description =
    'The backup is proven whole before anything changes. --as rejoin: a lost node comes back, and what it lacks comes ' +
    'from the others. --as rollback: everybody is to go back; this becomes a new data set, and the others must join it. ' +
    '--as copy: an ordinary file without sqlsync. A file that is there stays beside the new one. Application and daemon ' +
    'must not run.';
  static override examples = [
    '<%= config.bin %> restore backups/shop.paris.20260102T030405678Z.db.gz shop.db --as rejoin',
    '<%= config.bin %> restore s3://bucket/shop.paris.20260102T030405678Z.db.gz look.db --as copy',
  ];
  static override args = {
    file: Args.string({ required: true, description: 'a backup, beside its manifest' }),
    db: Args.string({ required: true, description: 'path of the SQLite file to make or replace' }),
  };
  static override flags = {
    as: Flags.option({ options: RESTORE_PURPOSES, required: true, summary: 'What the file is to be.' })(),
    'key-file': backupFlags['key-file'],
    'dry-run': dryRunFlag,
    yes: yesFlag,
  };

  async run(): Promise<RestoreReport> {
    const { flags, signal } = this;
    const as: RestorePurpose = flags.as;
    const backup = findBackup(this.args.file, thisMachine.env);
    const config = loadConfigIfAny({ file: flags.config });
    const key = keyFor(backup.name, flags['key-file'], () => config);
    const line = new ProgressLine(flags.quiet || flags.json ? null : process.stderr);
    const onBytes = (done: number, total: number) => line.update(unpackProgress(done, total));
    const { db: path } = this.args;
    const dryRun = flags['dry-run'];
    const request = { backup, key, path, as, config, dryRun, command: this.commandLine, onBytes, signal };
    if (!dryRun && isReplacing(request)) await this.confirm(`Replace ${path}? It stays beside the new one.`);
    const report = await restoreDatabase(request, thisMachine).finally(() => line.clear());
    this.log(renderRestore(report));
    for (const note of restoreNotes(report)) this.note(this.withConfig(note));
    return report;
  }
}
