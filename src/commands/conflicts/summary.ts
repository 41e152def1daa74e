import { BaseCommand } from '../../base-command.js';
import { conflictFilterFlags, filterFrom } from '../../command-line/conflict-flags.js';
import { pickDatabase } from '../../config.js';
import { thisMachine } from '../../daemon/this-machine.js';
import type { ConflictSummary } from '../../operations/conflict-report.js';
import { summariseConflicts } from '../../operations/read-conflicts.js';
import { renderSummary } from '../../rendering/render-conflicts.js';

export default class ConflictsSummary extends BaseCommand<typeof ConflictsSummary> {
  static override summary = 'Count conflicts by table, kind, node and day.';
  static override examples = ['<%= config.bin %> conflicts summary --since 7d'];
  static override flags = conflictFilterFlags;

  async run(): Promise<ConflictSummary> {
    const database = pickDatabase(this.loadConfig(), this.flags.database);
    const summary = summariseConflicts(database, filterFrom(this.flags), thisMachine.files);
    this.log(summary.total === 0 ? 'no conflicts' : renderSummary(summary, this.paint));
    return summary;
  }
}
