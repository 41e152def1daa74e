/**
 * Rows that were applied to tables of which writes may have gone unrecorded, until somebody has compared those tables.
 * Of each: the row as it was left, so that what the application writes unseen over it is told for certain; and what was
 * written over first, which may have been such a write, and whether it was nobody can tell. Durable and bounded.
 */
import type { Database, Statement } from 'better-sqlite3';
import { mapKeptColumns } from './column-mapping.js';
import type { StoredConflict } from './conflict-record.js';
import { PREFIX } from './metadata-schema.js';
import { packRow, unpackRow } from './packed-row.js';
import type { ReplicatedTable } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import type { SqlValue, VersionedRow } from './row-version.js';

/** What is kept of a row. */
export interface GapRow {
  /** The row as it was left when it was applied last; null: not known. */
  readonly image: readonly SqlValue[] | null;
  /** The newest log entry at that time. */
  readonly hlc: number;
  /** What is kept of what was written over: 0, nothing. */
  readonly replacedBytes: number;
  readonly knownBytes: number;
}

/** How an applied row was left, and what it replaced; null: nothing that may have been written unseen. */
export interface AppliedRow {
  readonly left: VersionedRow;
  readonly hlc: number;
  readonly replaced: StoredConflict | null;
}

interface StoredGapRow extends Omit<GapRow, 'image'> {
  readonly known: Buffer | null;
}

/** A conflict that waits for the end of the gap. */
export interface WaitingConflict {
  readonly tbl: number;
  readonly key: Buffer;
  readonly conflict: StoredConflict;
}

const TABLE = `${PREFIX}gap_row`;
const KNOWN_BYTES = 'coalesce(length(known), 0)';
const REPLACED_BYTES = 'coalesce(length(CAST(replaced AS BLOB)), 0)';

export class GapRows {
  private readonly selectOne: Statement<[number, Buffer], StoredGapRow>;
  private readonly upsert: Statement<[number, Buffer, number, Buffer | null, string | null]>;
  private readonly remove: Statement<[number, Buffer]>;
  private readonly selectTotals: Statement<[], { replaced: number; bytes: number }>;
  private readonly selectWaiting: Statement<[number], { tbl: number; key: Buffer; replaced: string }>;
  private readonly forgetReplaced: Statement<[number, Buffer]>;
  private readonly removeAll: Statement<[]>;
  /** Of all that is kept. */
  private bytes: number;

  constructor(
    db: Database,
    private readonly bytesMax: number,
  ) {
    this.selectOne = db.prepare(
      `SELECT hlc, known, ${KNOWN_BYTES} AS knownBytes, ${REPLACED_BYTES} AS replacedBytes FROM ${TABLE} ` +
        'WHERE tbl = ? AND key = ?',
    );
    this.upsert = db.prepare(
      `INSERT INTO ${TABLE}(tbl, key, hlc, known, replaced) VALUES(?, ?, ?, ?, ?) ON CONFLICT(tbl, key) ` +
        'DO UPDATE SET hlc = excluded.hlc, known = excluded.known, replaced = coalesce(replaced, excluded.replaced)',
    );
    this.remove = db.prepare(`DELETE FROM ${TABLE} WHERE tbl = ? AND key = ?`);
    this.selectTotals = db.prepare(
      `SELECT count(replaced) AS replaced, coalesce(sum(${KNOWN_BYTES} + ${REPLACED_BYTES}), 0) AS bytes FROM ${TABLE}`,
    );
    this.selectWaiting = db.prepare(`SELECT tbl, key, replaced FROM ${TABLE} WHERE replaced IS NOT NULL LIMIT ?`);
    this.forgetReplaced = db.prepare(`UPDATE ${TABLE} SET replaced = NULL WHERE tbl = ? AND key = ?`);
    this.removeAll = db.prepare(`DELETE FROM ${TABLE}`);
    this.bytes = (this.selectTotals.get() as { bytes: number }).bytes;
  }

  get isEmpty(): boolean {
    return this.bytes === 0;
  }

  /** Keeps what memory holds, and returns how to put it back when the transaction is rolled back. */
  remember(): () => void {
    const { bytes } = this;
    return () => {
      this.bytes = bytes;
    };
  }

  /** Rows that were written over and may have been written unseen. */
  countReplaced(): number {
    return this.isEmpty ? 0 : (this.selectTotals.get() as { replaced: number }).replaced;
  }

  get(table: ReplicatedTable, key: readonly SqlValue[]): GapRow | undefined {
    const stored = this.isEmpty ? undefined : this.selectOne.get(table.captured.id, keyBlob(table, key));
    if (stored === undefined) return undefined;
    const { known, ...row } = stored;
    return { ...row, image: known === null ? null : imageIn(table, known) };
  }

  /**
   * Keeps how a row was left, and what that replaced if nothing is kept yet. `before`: what `get` says of the row. Says
   * whether what was replaced is kept, and whether there was room for all.
   */
  put(
    table: ReplicatedTable,
    key: readonly SqlValue[],
    { left, hlc, replaced }: AppliedRow,
    before: GapRow | undefined,
  ): { readonly isKept: boolean; readonly isFull: boolean } {
    const { knownBytes, replacedBytes } = before ?? { knownBytes: 0, replacedBytes: 0 };
    const room = this.bytesMax - this.bytes + knownBytes;
    const text = replaced === null || replacedBytes > 0 ? null : JSON.stringify(replaced);
    const textBytes = text === null ? 0 : Buffer.byteLength(text);
    const hasTextRoom = textBytes <= room;
    const packed = left.image === null ? null : packRow(table.definition, table.columnIds, key, left);
    const hasRoom = packed !== null && packed.length + textBytes <= room;
    this.write(table, key, { hlc, known: hasRoom ? packed : null, replaced: hasTextRoom ? text : null }, before);
    const isKept = replaced === null || (text !== null && hasTextRoom);
    return { isKept, isFull: !hasTextRoom || (packed !== null && !hasRoom) };
  }

  private write(
    table: ReplicatedTable,
    key: readonly SqlValue[],
    { hlc, known, replaced }: { hlc: number; known: Buffer | null; replaced: string | null },
    before: GapRow | undefined,
  ): void {
    const blob = keyBlob(table, key);
    const isNothing = known === null && replaced === null && (before?.replacedBytes ?? 0) === 0;
    if (!isNothing) this.upsert.run(table.captured.id, blob, hlc, known, replaced);
    else if (before !== undefined) this.remove.run(table.captured.id, blob);
    this.bytes +=
      (known?.length ?? 0) - (before?.knownBytes ?? 0) + (replaced === null ? 0 : Buffer.byteLength(replaced));
  }

  /** At most `limit` of the conflicts that wait. */
  waiting(limit: number): WaitingConflict[] {
    if (this.isEmpty) return [];
    const rows = this.selectWaiting.all(limit);
    return rows.map(({ tbl, key, replaced }) => ({ tbl, key, conflict: JSON.parse(replaced) as StoredConflict }));
  }

  /** What waited has been judged: it goes, and how the row was left stays. */
  settle({ tbl, key }: WaitingConflict): void {
    this.forgetReplaced.run(tbl, key);
  }

  /** The gap is closed. */
  clear(): void {
    if (!this.isEmpty) this.removeAll.run();
    this.bytes = 0;
  }
}

function keyBlob(table: ReplicatedTable, key: readonly SqlValue[]): Buffer {
  return Buffer.from(canonicalKey(key, table.collations));
}

/** The image with its columns as the table has them now. */
function imageIn(table: ReplicatedTable, packed: Buffer): readonly SqlValue[] | null {
  const { definition, row } = unpackRow(packed);
  return mapKeptColumns(table, definition.columns)(row).image;
}
