import { BaseCommand } from '../../base-command.js';
import { backupFlags } from '../../command-line/backup-flags.js';
import { backUpDeps } from '../../daemon/backup/backup-once.js';
import { backUpDatabase, backupPlace } from '../../operations/backup/back-up-database.js';
import type { BackupReport } from '../../operations/backup/backup-report.js';
import { ProgressLine } from '../../progress-line.js';
import { copyProgress, renderBackup } from '../../rendering/render-backup.js';

export default class Backup extends BaseCommand<typeof Backup> {
  static override summary = 'Make a backup of a database.';
  static override description =
    'A consistent, compressed copy with a manifest beside it, while applications go on writing: by the daemon if it runs, ' +
    'else by itself. It is there as a whole or not at all. Without --to it goes where the configuration says ' +
    '(backup.to), encrypted if that names a key file. Older backups stay: see `backup prune`.';
  static override examples = [
    '<%= config.bin %> backup --to ./backups',
    '<%= config.bin %> backup -d shop --to s3://bucket/shop',
  ];
  static override flags = backupFlags;

  async run(): Promise<BackupReport> {
    const { flags, signal } = this;
    const config = this.loadConfig();
    const line = new ProgressLine(flags.quiet || flags.json ? null : process.stderr);
    const deps = backUpDeps(config, { onProgress: (progress) => line.update(copyProgress(progress)), signal });
    const place = backupPlace(config, { to: flags.to, keyFile: flags['key-file'] });
    const request = { database: flags.database, place, command: this.commandLine };
    const report = await backUpDatabase(config, request, deps).finally(() => line.clear());
    this.log(renderBackup(report));
    return report;
  }
}
