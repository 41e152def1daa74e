/**
 * The conflicts of a file as an operator reads them: newest first, ties by id, so that every node lists them alike.
 * Reads only, on any connection.
 */
import type { Database, Statement } from 'better-sqlite3';
import { type ConflictFilter, filterSql } from './conflict-filter.js';
import { CONFLICT_TABLE, type ConflictKind } from './conflict-record.js';
import { CONFLICT_STATE, type ConflictState, LATEST_RESOLUTION, RESOLUTION_TABLE } from './conflict-state.js';
import {
  type ConflictRow,
  type RecordedConflict,
  type RecordedResolution,
  type ResolutionRow,
  toConflict,
  toResolution,
} from './recorded-conflict.js';

/** A place in the list: the last conflict that was read. */
export interface InboxPlace {
  readonly detectedAtMs: number;
  readonly id: string;
}

/** How many conflicts have all of this in common. */
export interface ConflictCount {
  readonly table: string;
  readonly kind: ConflictKind;
  /** Null: the write is settled, whose it was is not known any more. */
  readonly winnerNode: string | null;
  readonly loserNode: string | null;
  /** Days since 1970, UTC. */
  readonly day: number;
  readonly state: ConflictState;
  readonly conflicts: number;
}

type Parameters = Readonly<Record<string, string | number>>;

const DAY_MS = 86_400_000;

const SELECT_CONFLICT = `SELECT c.*, ${CONFLICT_STATE} AS state, latest.choice, latest.node, latest.operator, latest.at
  FROM ${CONFLICT_TABLE.name} AS c LEFT JOIN ${RESOLUTION_TABLE.name} AS latest ON latest.id = ${LATEST_RESOLUTION}`;

const IN_ORDER = 'ORDER BY c.detected_at DESC, c.id DESC';

export class ConflictInbox {
  private readonly prepared = new Map<string, Statement<[Parameters]>>();

  constructor(private readonly db: Database) {}

  private all<Row>(sql: string, parameters: Parameters): Row[] {
    let statement = this.prepared.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare<[Parameters]>(sql).safeIntegers(false);
      this.prepared.set(sql, statement);
    }
    return statement.all(parameters) as Row[];
  }

  /** At most `limit` conflicts beyond `after`; null: from the newest on. */
  page(filter: ConflictFilter, after: InboxPlace | null, limit: number): RecordedConflict[] {
    const { where, parameters } = filterSql(filter);
    const beyond = after === null ? 'true' : '(c.detected_at, c.id) < (@afterMs, @afterId)';
    const place = after === null ? {} : { afterMs: after.detectedAtMs, afterId: after.id };
    // The ids first: sorting would carry every image along.
    const ids = `SELECT c.id FROM ${CONFLICT_TABLE.name} AS c WHERE ${where} AND ${beyond} ${IN_ORDER} LIMIT @limit`;
    const rows = this.all<ConflictRow>(`${SELECT_CONFLICT} WHERE c.id IN (${ids}) ${IN_ORDER}`, {
      ...parameters,
      ...place,
      limit,
    });
    return rows.map(toConflict);
  }

  count(filter: ConflictFilter): number {
    const { where, parameters } = filterSql(filter);
    const sql = `SELECT count(*) AS conflicts FROM ${CONFLICT_TABLE.name} AS c WHERE ${where}`;
    return this.all<{ conflicts: number }>(sql, parameters)[0]?.conflicts ?? 0;
  }

  /** The ids of all that are meant, in order. */
  ids(filter: ConflictFilter): string[] {
    const { where, parameters } = filterSql(filter);
    const sql = `SELECT c.id FROM ${CONFLICT_TABLE.name} AS c WHERE ${where} ${IN_ORDER}`;
    return this.all<{ id: string }>(sql, parameters).map(({ id }) => id);
  }

  /** Ids that begin so, at most `limit` of them. */
  idsBeginning(prefix: string, limit: number): string[] {
    const sql = `SELECT id FROM ${CONFLICT_TABLE.name} WHERE id >= @prefix AND id < @beyond ORDER BY id LIMIT @limit`;
    return this.all<{ id: string }>(sql, { prefix, beyond: `${prefix}g`, limit }).map(({ id }) => id);
  }

  get(id: string): RecordedConflict | null {
    const [row] = this.all<ConflictRow>(`${SELECT_CONFLICT} WHERE c.id = @id`, { id });
    return row === undefined ? null : toConflict(row);
  }

  /** The resolutions of a conflict, the latest first. */
  resolutions(id: string): RecordedResolution[] {
    const sql = `SELECT * FROM ${RESOLUTION_TABLE.name} WHERE conflict = @id ORDER BY at DESC, id DESC`;
    return this.all<ResolutionRow>(sql, { id }).map(toResolution);
  }

  counts(filter: ConflictFilter): ConflictCount[] {
    const { where, parameters } = filterSql(filter);
    const sql = `SELECT c.tbl AS "table", c.kind, c.winner ->> '$.node' AS winnerNode, c.loser ->> '$.node' AS loserNode,
      c.detected_at / ${DAY_MS} AS day, ${CONFLICT_STATE} AS state, count(*) AS conflicts
      FROM ${CONFLICT_TABLE.name} AS c WHERE ${where} GROUP BY 1, 2, 3, 4, 5, 6`;
    return this.all<ConflictCount>(sql, parameters);
  }
}
