import { BaseCommand } from '../../base-command.js';
import { backupFlags } from '../../command-line/backup-flags.js';
import { thisMachine } from '../../daemon/this-machine.js';
import { backupPlace } from '../../operations/backup/back-up-database.js';
import { type BackupItem, listBackups } from '../../operations/backup/list-backups.js';
import { openStore } from '../../operations/backup/open-store.js';
import { loadConfigIfAny } from '../../operations/configuration-target.js';
import { type Page, wholeList } from '../../page.js';
import { renderBackups } from '../../rendering/render-backup.js';

export default class BackupList extends BaseCommand<typeof BackupList> {
  static override summary = 'List backups, newest first.';
  static override description = 'Of all databases and nodes that keep theirs in this place; with -d of one database.';
  static override examples = ['<%= config.bin %> backup list', '<%= config.bin %> backup list --to ./backups --json'];
  static override flags = { to: backupFlags.to };

  async run(): Promise<Page<BackupItem>> {
    const { to } = backupPlace(loadConfigIfAny({ file: this.flags.config }), { to: this.flags.to });
    const wanted = this.flags.database;
    const all = await listBackups(openStore(to, thisMachine.env));
    const items = all.filter(({ database }) => wanted === undefined || database === wanted);
    this.log(renderBackups(items, this.paint));
    return wholeList(items);
  }
}
