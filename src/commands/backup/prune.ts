import { BaseCommand } from '../../base-command.js';
import { backupFlags } from '../../command-line/backup-flags.js';
import { thisMachine } from '../../daemon/this-machine.js';
import { dryRunFlag, yesFlag } from '../../global-flags.js';
import { backupPlace } from '../../operations/backup/back-up-database.js';
import type { BackupItem } from '../../operations/backup/list-backups.js';
import { openStore } from '../../operations/backup/open-store.js';
import { pruneBackupsOf } from '../../operations/backup/prune-backups.js';
import { type Page, wholeList } from '../../page.js';
import { renderBackups } from '../../rendering/render-backup.js';

export default class BackupPrune extends BaseCommand<typeof BackupPrune> {
  static override summary = 'Take away backups that are not to be kept any longer.';
  static override description =
    'Keeps what backup.keep says: the last few, and the newest of each of so many days, weeks and months, in UTC. Only of ' +
    'this node and one database; the newest stays in any case. Scheduled backups do it by themselves.';
  static override examples = ['<%= config.bin %> backup prune --dry-run', '<%= config.bin %> backup prune --yes'];
  static override flags = { to: backupFlags.to, 'dry-run': dryRunFlag, yes: yesFlag };

  async run(): Promise<Page<BackupItem>> {
    const { flags } = this;
    const config = this.loadConfig();
    const { to } = backupPlace(config, { to: flags.to });
    const prune = (dryRun: boolean) =>
      pruneBackupsOf(config, { database: flags.database, store: openStore(to, thisMachine.env), dryRun });
    let items = await prune(true);
    this.log(items.length === 0 ? 'nothing to take away' : renderBackups(items, this.paint));
    if (!flags['dry-run'] && items.length > 0) {
      await this.confirm(`Take away ${items.length} of the backups in ${to}?`);
      items = await prune(false);
    }
    return wholeList(items);
  }
}
