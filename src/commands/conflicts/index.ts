import { BaseCommand } from '../../base-command.js';
import { conflictFilterFlags, filterFrom } from '../../command-line/conflict-flags.js';
import { databaseFlag, pickDatabase } from '../../config.js';
import { thisMachine } from '../../daemon/this-machine.js';
import { pageFlags } from '../../list-flags.js';
import { type ConflictPage, listConflicts } from '../../operations/read-conflicts.js';
import { renderCount } from '../../render-figures.js';
import { renderConflicts } from '../../rendering/render-conflicts.js';

export default class Conflicts extends BaseCommand<typeof Conflicts> {
  static override summary = 'List conflicts, newest first.';
  static override description =
    'Writes of one row on two nodes, of which neither knew the other: what was settled (auto), what waits for a person ' +
    '(open), what a person has decided (resolved). Without filters all are listed. Every node lists the same.';
  static override examples = [
    '<%= config.bin %> conflicts --state open',
    '<%= config.bin %> conflicts --table product --since 7d --json',
  ];
  static override flags = {
    ...conflictFilterFlags,
    ...pageFlags,
  };

  async run(): Promise<ConflictPage> {
    const { flags } = this;
    const config = this.loadConfig();
    const database = pickDatabase(config, flags.database);
    const query = { filter: filterFrom(flags), limit: flags.limit, cursor: flags.cursor };
    const page = listConflicts(database, query, thisMachine.files);
    const { items, total, nextCursor } = page;
    if (items.length === 0) this.log('no conflicts');
    else this.log(renderConflicts(items, { paint: this.paint, now: thisMachine.now() }));
    if (flags.json) return page;
    if (nextCursor !== null) {
      this.note(`${items.length} of ${renderCount(total, 'conflict')}; the next page: --cursor ${nextCursor}`);
    }
    if (items.length > 0) this.note(`look at one: sqlsync conflicts show ID${databaseFlag(config, database)}`);
    return page;
  }
}
