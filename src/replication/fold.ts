/**
 * Fold: turns change-log entries into row metadata, in their order, coalesced by row. Only the process that holds the
 * file's lock folds. A step is bounded; where its borders lie changes nothing in the result.
 */
import type { ChangeLog, LogEntry } from './change-log.js';
import { columnsOfMasks, type FoldContext, foldRow, type RowEntry } from './fold-row.js';
import type { FormerParents } from './former-parents.js';
import { MASK_BITS, OP } from './metadata-schema.js';
import type { NodeState } from './node-state.js';
import type { KeptRowName, Quarantine } from './quarantine.js';
import type { ReplicatedTable, ReplicatedTables } from './replicated-table.js';
import { canonicalKey } from './row-key.js';

/** A shorter stretch is not worth a statement of its own. */
const STRETCH_MIN = 16;

export interface FoldStep {
  /** Log entries folded. */
  readonly entries: number;
  /** Rows that were written while a version of them waits in quarantine. */
  readonly rowsKeptAside: readonly KeptRowName[];
}

interface PendingRow extends KeptRowName {
  readonly entries: RowEntry[];
}

export class Fold {
  private readonly columnsByMask = new Map<bigint, number[]>();
  /** Tables in which a row was met whose key holds NULL. */
  readonly nullKeyTables = new Set<ReplicatedTable>();

  constructor(
    private readonly state: NodeState,
    private readonly log: ChangeLog,
    private readonly tables: ReplicatedTables,
    private readonly quarantine: Quarantine,
    private readonly former: FormerParents,
  ) {}

  /** Is there anything to fold, or to put right (a log that ends before what is folded has been emptied)? */
  get isDue(): boolean {
    return this.log.last() !== this.state.get('folded');
  }

  /** Folds up to `limit` entries inside the caller's write transaction. */
  step(limit: number): FoldStep {
    const inserts = this.foldInserts(limit);
    if (inserts > 0) return { entries: inserts, rowsKeptAside: [] };
    const entries = this.log.after(this.state.get('folded'), limit);
    const last = entries.at(-1);
    if (last === undefined) return { entries: 0, rowsKeptAside: [] };
    const session = this.state.ensureSession();
    const rowsKeptAside: KeptRowName[] = [];
    for (const row of this.coalesce(entries)) {
      this.foldPending(row, session);
      if (this.quarantine.get(row.table, row.key) !== undefined) rowsKeptAside.push(row);
    }
    this.state.noteRow(session, entries.findLast((entry) => entry.op !== OP.marker)?.hlc ?? 0);
    this.advance(session, last.hlc);
    return { entries: entries.length, rowsKeptAside };
  }

  private advance(session: string, hlc: number): void {
    this.state.set('folded', hlc);
    this.state.raiseVector([[session, hlc]]);
    this.state.saveArrival();
  }

  /** A stretch of nothing but inserts of new rows into one table is folded in one statement. Returns its length, or 0. */
  private foldInserts(limit: number): number {
    const after = this.state.get('folded');
    const stretch = this.log.stretchAfter(after, limit);
    if (!this.quarantine.isEmpty || stretch === null || stretch.op !== OP.insert || stretch.entries < STRETCH_MIN)
      return 0;
    const table = this.tables.withId(stretch.tableId);
    if (table === undefined) return 0;
    const session = this.state.ensureSession();
    const edits = this.state.get('edits_floor') + 1;
    const sessionId = this.state.sessionId(session);
    if (table.metadata.putLogged({ after, upTo: stretch.upTo, sessionId, edits }) === null) return 0;
    this.state.noteRow(session, stretch.upTo);
    this.advance(session, stretch.upTo);
    return stretch.entries;
  }

  /** A row whose key holds NULL has no identity, and is told by the status. */
  private coalesce(entries: readonly LogEntry[]): Iterable<PendingRow> {
    const rows = new Map<string, PendingRow>();
    for (const entry of entries) {
      const table = entry.op === OP.marker ? undefined : this.tables.withId(entry.tableId);
      if (table === undefined) continue;
      const key = entry.key.slice(0, table.collations.length);
      if (key.includes(null)) {
        this.nullKeyTables.add(table);
        continue;
      }
      const name = `${entry.tableId} ${canonicalKey(key, table.collations)}`;
      let row = rows.get(name);
      if (row === undefined) {
        row = { table, key, entries: [] };
        rows.set(name, row);
      }
      row.entries.push({ hlc: entry.hlc, op: entry.op, columns: this.columnsOf(entry) });
    }
    return rows.values();
  }

  private columnsOf(entry: LogEntry): readonly number[] | null {
    if (entry.op !== OP.update) return null;
    const [mask] = entry.masks;
    if (entry.masks.length > 1 || mask === null || mask === undefined) return columnsOfMasks(entry.masks, MASK_BITS);
    let columns = this.columnsByMask.get(mask);
    if (columns === undefined) {
      columns = columnsOfMasks(entry.masks, MASK_BITS) ?? [];
      this.columnsByMask.set(mask, columns);
    }
    return columns;
  }

  private foldPending({ table, key, entries }: PendingRow, session: string): void {
    const context: FoldContext = {
      session,
      horizon: this.state.get('horizon'),
      editsFloor: this.state.get('edits_floor'),
      isWhole: table.captured.rules.strategy !== 'merge',
      columnIds: table.columnIds,
      rowExists: () => table.rows.exists(key),
    };
    if (entries.length === 1 && entries[0]?.op === OP.insert) {
      const first = foldRow(undefined, entries, context);
      if (first !== undefined && table.metadata.putNew(key, first) !== null) return;
    }
    const old = table.metadata.get(key);
    const version = foldRow(old, entries, context);
    if (version === undefined || version === old) return;
    if (old?.alive === false && table.referencedBy.length > 0) this.former.forget(table, key);
    table.metadata.put(key, version);
  }
}
