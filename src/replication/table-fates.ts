/**
 * What this node makes of what members say of tables that are gone, in the very transaction in which it hears it or finds
 * its own schema changed; before its vector tells anybody that it knows.
 *
 * From the moment at which all who write are known to have no such table, others may give rows up that are held here.
 * Should the table come back, those rows are no longer versions that everybody has seen, but this node's to write anew:
 * they are marked so once and for all, whatever is said afterwards. And this node lets go of what it knows of the rows of
 * a table that it has dropped: one that comes back under its name is a new one, and all that is in it this node's own.
 */
import type { Database } from 'better-sqlite3';
import {
  ABSENCE_TABLE,
  type Absence,
  absenceId,
  absencesByTable,
  isGone,
  putAbsence,
  readAbsences,
} from './absence-table.js';
import type { HeldRows } from './held-rows.js';
import { readMembers } from './member-table.js';
import { belonging, writersAmong } from './membership.js';
import type { NodeState } from './node-state.js';
import { addLeaving, namesLeaving } from './release-tables.js';
import { namesOf, type TableHistory } from './table-history.js';

export class TableFates {
  /** Is there something to look at? After each reading of the schema there may be. */
  isDue: boolean;

  constructor(
    private readonly db: Database,
    private readonly state: NodeState,
    private readonly held: HeldRows,
  ) {
    this.isDue = readAbsences(db).length > 0;
  }

  get history(): TableHistory {
    return this.held.history;
  }

  /** Rows have come, among which may be what is said of tables or such as wait for one; or what was done is rolled back. */
  lookAgain = (): void => {
    this.isDue = true;
  };

  /** The table's name, and those that it had before it was renamed, here or on another node. */
  namesOf(table: string, renamedThere: Readonly<Record<string, string>>): string[] {
    return namesOf(table, this.history, renamedThere);
  }

  /**
   * Inside the caller's transaction, when all is folded.
   * @param last the last entry of the log
   * @param log enters an update of a row into it
   * @returns whether the schema is to be read anew: tables are let go of
   */
  look(last: number, nowMs: number, log: (tableId: number, key: readonly string[]) => void): boolean {
    this.isDue = false;
    const absences = readAbsences(this.db);
    if (absences.length === 0) return false;
    const members = readMembers(this.db);
    const writers = writersAmong(members);
    const gone = [...absencesByTable(absences, writers)].filter(([, said]) => isGone(said, writers));
    for (const [table] of gone) this.held.markAnew(table);
    this.sayPresent(absences, last, nowMs, log);
    // A reader that has the table still could tell nobody: what is known of its rows is needed when it comes back.
    if (belonging(members).length > writers.size) return false;
    const own = gone.map(([table]) => table).filter((table) => this.history.dropped.has(table));
    if (own.every((table) => namesLeaving(this.state).includes(table))) return false;
    addLeaving(this.state, own);
    return true;
  }

  /** Tables that this node has said to be absent, and that are back. */
  private sayPresent(
    absences: readonly Absence[],
    hlc: number,
    nowMs: number,
    log: (tableId: number, key: readonly string[]) => void,
  ): void {
    const node = this.state.get('node');
    const back = absences.filter(
      (said) => said.node === node && said.fate !== 'present' && this.history.has(said.table),
    );
    for (const { table } of back) {
      putAbsence(this.db, { node, table, fate: 'present', hlc }, nowMs);
      log(ABSENCE_TABLE.id, [absenceId(node, table)]);
    }
  }
}
