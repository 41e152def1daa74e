/**
 * Conflict records: both sides of what collided, kept whole. A record's id is computed from what collided, so every
 * node that detects it writes the same one. Columns of the table:
 *   id           hex; see conflictId
 *   tbl, key     the table's name; JSON object of the key's columns
 *   kind         update-update, insert-insert, update-delete, key-collision, unique, orphan
 *   strategy     the strategy that settled it; `repair`: an operator's word, or the closing of a gap; `gap`: see
 *                unseen-writes.ts
 *   columns      JSON array of the colliding columns; [] when whole rows collided
 *   winner, loser  JSON: {node, session, hlc, row}; row null for a deletion; node null when the write is settled.
 *                  The loser's `stands`: colliding columns in which its value is the later one and stands, since merge
 *                  decides column by column
 *                For an orphan the winner is its parent's side, whose row is of the parent's table
 *   detail       JSON, what the kind needs beyond that; NULL: nothing. See ConflictDetail
 *   detected_at  Unix milliseconds
 */
import { createHash } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { ExactStatement } from './exact-values.js';
import { type JsonValue, toJsonRow } from './json-values.js';
import { INTERNAL_TABLES } from './metadata-schema.js';
import { canonicalKey } from './row-key.js';
import { columnStampOf, type SqlValue, type VersionedRow } from './row-version.js';
import { isAfter, SETTLED_SESSION, type Stamp, stampText } from './stamp.js';
import type { CapturedTable, Strategy, TableRules } from './table-schema.js';
import { nodeOf } from './version-vector.js';

export const CONFLICT_KINDS = [
  'update-update',
  'insert-insert',
  'update-delete',
  'key-collision',
  'unique',
  'orphan',
] as const;

export type ConflictKind = (typeof CONFLICT_KINDS)[number];

export const [, , CONFLICT_TABLE] = INTERNAL_TABLES;

/** One side of a record as it is stored. */
export interface RecordedSide {
  readonly node: string | null;
  readonly session: string | null;
  readonly hlc: number;
  readonly row: Readonly<Record<string, JsonValue>> | null;
  readonly stands?: readonly string[];
}

/** A gap of capture in which a value was written over. */
export interface GapMark {
  readonly node: string;
  /** Unix milliseconds: when it was found. */
  readonly since: number;
  /** Is the value known to have been written unseen? */
  readonly certain: boolean;
}

/** What a record tells beyond both sides. */
export interface ConflictDetail {
  /** `orphan`: the row that is not there. */
  readonly parent?: { readonly table: string; readonly key: Record<string, JsonValue> };
  /** `orphan`: the rule by which it was handled. */
  readonly rule?: TableRules['orphan'];
  /** `key-collision`: the key under which the losing row lives on, and how many rows that referred to it followed. */
  readonly rekeyedTo?: number;
  readonly moved?: number;
  /** One side is what the node had on which writes went unrecorded. */
  readonly gap?: GapMark;
  /** Why a rule could not be followed, in words. */
  readonly kept?: string;
}

/** What a record tells of a table, which may be gone. */
export type RecordedTable = Pick<CapturedTable, 'name' | 'columns' | 'rules'> & {
  readonly schema: { readonly identity: { readonly columns: readonly { name: string; collation: string }[] } };
};

export interface DetectedConflict {
  readonly table: RecordedTable;
  /** The key of the row that lost, or of the row both wrote. */
  readonly key: readonly SqlValue[];
  readonly kind: ConflictKind;
  readonly columns: readonly number[];
  readonly winner: VersionedRow;
  readonly loser: VersionedRow;
  readonly winnerStamp: Stamp;
  readonly loserStamp: Stamp;
  /** Every stamp among what collided, of both sides, in any order. */
  readonly stamps: readonly Stamp[];
  /** The table of the winner's row, where it is another. */
  readonly winnerTable?: RecordedTable;
  readonly detail?: ConflictDetail;
}

/**
 * The same for the same collision, whoever detects it and whichever side it holds as its own. All stamps count: of two
 * records under one id one stays, and a node that saw only part of what was lost would take the other's rest with it.
 */
export function conflictId(conflict: DetectedConflict): string {
  const { table, key, kind, winnerTable } = conflict;
  const collations = table.schema.identity.columns.map((column) => column.collation);
  const stamps = [...conflict.stamps].sort((x, y) => (isAfter(x, y) ? 1 : -1)).map(stampText);
  const parts = [table.name, canonicalKey(key, collations), kind, ...new Set(stamps)];
  // A row may have lost several parents at once.
  if (kind === 'orphan') parts.push(...columnNames(conflict));
  // A row with more columns than its table here is kept whole, beside what has become of the others.
  else if (winnerTable !== undefined) parts.push('whole');
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

function columnNames({ table, columns }: DetectedConflict): string[] {
  return table.columns.filter(({ id }) => columns.includes(id)).map(({ name }) => name);
}

function recordedSide(table: RecordedTable, row: VersionedRow, stamp: Stamp): RecordedSide {
  const settled = stamp.session === SETTLED_SESSION;
  return {
    node: settled ? null : nodeOf(stamp.session),
    session: settled ? null : stamp.session,
    hlc: stamp.hlc,
    row:
      row.image === null
        ? null
        : toJsonRow(
            table.columns.map((c) => c.name),
            row.image,
          ),
  };
}

/** Names of the colliding columns in which the loser's value stands. */
function columnsOfLoser({ table, kind, columns, winner, loser }: DetectedConflict): string[] {
  if (kind !== 'update-update' || table.rules.strategy !== 'merge') return [];
  return table.columns
    .filter(({ id }) => columns.includes(id))
    .filter(({ id }) => isAfter(columnStampOf(loser.version, id), columnStampOf(winner.version, id)))
    .map(({ name }) => name);
}

/**
 * The strategy that settled a conflict, or `repair`: an operator's word, or what closed a gap of capture; or `gap`: what
 * came stands, and the loser is what it replaced in a gap.
 */
export type SettledBy = Strategy | 'repair' | 'gap';

/** A record as it is stored, but for when it was made. */
export interface StoredConflict {
  readonly id: string;
  readonly table: string;
  readonly key: Record<string, JsonValue>;
  readonly kind: ConflictKind;
  readonly strategy: SettledBy;
  /** Names. */
  readonly columns: readonly string[];
  readonly winner: RecordedSide;
  readonly loser: RecordedSide;
  readonly detail?: ConflictDetail | undefined;
}

export class ConflictRecords {
  private readonly insert: ExactStatement;

  constructor(
    db: Database,
    /** Enters a new row of an internal table into the change log. */
    private readonly logInsert: (tableId: number, key: readonly SqlValue[]) => void,
  ) {
    this.insert = new ExactStatement(
      db,
      10,
      (p) =>
        `INSERT INTO ${CONFLICT_TABLE.name}(id, tbl, key, kind, strategy, columns, winner, loser, detail, detected_at) ` +
        `VALUES(${p.join(', ')}) ON CONFLICT(id) DO NOTHING`,
    );
  }

  /** Writes the record down unless it is known. Says whether it is new. */
  record(conflict: DetectedConflict, nowMs: number): boolean {
    const { table, kind, winner, loser, winnerStamp, loserStamp, detail } = conflict;
    const stands = columnsOfLoser(conflict);
    const lost = recordedSide(table, loser, loserStamp);
    const keyNames = table.schema.identity.columns.map((c) => c.name);
    return this.put(
      {
        id: conflictId(conflict),
        table: table.name,
        key: toJsonRow(keyNames, conflict.key),
        kind,
        strategy: table.rules.strategy,
        columns: columnNames(conflict),
        winner: recordedSide(conflict.winnerTable ?? table, winner, winnerStamp),
        loser: stands.length === 0 ? lost : { ...lost, stands },
        detail,
      },
      nowMs,
    );
  }

  /** Writes down what need not be a join's: see row-repair.ts. */
  put({ id, table, key, kind, strategy, columns, winner, loser, detail }: StoredConflict, nowMs: number): boolean {
    const changes = this.insert.run([
      id,
      table,
      JSON.stringify(key),
      kind,
      strategy,
      JSON.stringify(columns),
      JSON.stringify(winner),
      JSON.stringify(loser),
      detail === undefined ? null : JSON.stringify(detail),
      BigInt(nowMs),
    ]);
    if (changes > 0) this.logInsert(CONFLICT_TABLE.id, [id]);
    return changes > 0;
  }
}
