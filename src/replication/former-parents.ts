/**
 * Rows that others refer to, as they were before they were deleted here by applying, and values beyond the key that such
 * rows have given up: with them a node can tell what a row without a parent has lost, and restore it. Kept until the
 * horizon has passed the deletion. Where the application itself deleted the row, its node has nothing to keep.
 */
import type { Database, Statement } from 'better-sqlite3';
import { mapKeptColumns } from './column-mapping.js';
import type { ForeignKey } from './foreign-keys.js';
import { fromJsonValue, toJsonValue } from './json-values.js';
import { PREFIX } from './metadata-schema.js';
import type { NodeState } from './node-state.js';
import { packRow, unpackRow } from './packed-row.js';
import type { Window } from './referring-rows.js';
import type { ReplicatedTable } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import { type RowVersion, type SqlValue, vectorOf } from './row-version.js';
import { parseStamp, type Stamp, stampText } from './stamp.js';
import { highestHlc, sessionName } from './version-vector.js';

/** How a row comes to leave its table. */
export interface Departure {
  /** The highest HLC of all that goes into the tombstone. */
  readonly hlc: number;
  /** The arrival under which the tombstone is known here, or will be at the earliest. */
  readonly arrival: number;
  /** The write behind it, where this node's engine deletes the row by itself; null when a deletion has come. */
  readonly cause: Stamp | null;
}

/** A row that has given up values, and what they were. */
export interface GivenUp {
  readonly key: readonly SqlValue[];
  readonly values: readonly SqlValue[];
}

/** Only the image counts of what is packed; a packed version has to name a session. */
const KEPT = sessionName('kept', '0'.repeat(16), 0);

const FORMER = `${PREFIX}former`;
const VALUES = `${PREFIX}former_value`;

export class FormerParents {
  private readonly selectOne: Statement<[number, Buffer, number], { image: Buffer; cause: string | null }>;
  private readonly upsert: Statement<[number, Buffer, Buffer, string | null, number]>;
  private readonly raise: Statement<[number, number, Buffer]>;
  private readonly remove: Statement<[number, Buffer]>;
  private readonly upsertValue: Statement<[number, string, Buffer, string, number, number]>;
  private readonly selectHolders: Statement<[number, string, Buffer, number], string>;
  private readonly selectGivenUp: Statement<[number, string, number, number], string>;
  private readonly removeWithin: readonly Statement<[number, number]>[];
  /** Nearly always nothing is kept: then no row is looked up. */
  private mayHold: boolean;
  private mayHoldCauses: boolean;

  constructor(
    db: Database,
    private readonly state: NodeState,
  ) {
    this.selectOne = db.prepare(`SELECT image, cause FROM ${FORMER} WHERE tbl = ? AND key = ? AND hlc > ?`);
    this.upsert = db.prepare(
      `INSERT INTO ${FORMER}(tbl, key, image, cause, hlc) VALUES(?, ?, ?, ?, ?) ` +
        'ON CONFLICT(tbl, key) DO UPDATE SET image = excluded.image, cause = excluded.cause, hlc = excluded.hlc',
    );
    this.raise = db.prepare(`UPDATE ${FORMER} SET hlc = max(hlc, ?) WHERE tbl = ? AND key = ?`);
    this.remove = db.prepare(`DELETE FROM ${FORMER} WHERE tbl = ? AND key = ?`);
    this.upsertValue = db.prepare(
      `INSERT INTO ${VALUES}(tbl, columns, value, row, arrival, hlc) VALUES(?, ?, ?, ?, ?, ?) ` +
        'ON CONFLICT DO UPDATE SET arrival = excluded.arrival, hlc = max(hlc, excluded.hlc)',
    );
    const ofColumns = `SELECT row FROM ${VALUES} WHERE tbl = ? AND columns = ?`;
    this.selectHolders = pluck(db, `${ofColumns} AND value = ? AND hlc > ?`);
    this.selectGivenUp = pluck(db, `${ofColumns} AND arrival > ? AND arrival <= ?`);
    this.removeWithin = [
      `(tbl, key) IN (SELECT tbl, key FROM ${FORMER}`,
      `(tbl, columns, value, row) IN (SELECT tbl, columns, value, row FROM ${VALUES}`,
    ].map((rows, i) => db.prepare(`DELETE FROM ${[FORMER, VALUES][i]} WHERE ${rows} WHERE hlc <= ? LIMIT ?)`));
    const exists = (what: string) => pluck<[], number>(db, `SELECT EXISTS(SELECT 1 FROM ${what})`).get() === 1;
    this.mayHold = exists(FORMER) || exists(VALUES);
    this.mayHoldCauses = exists(`${FORMER} WHERE cause IS NOT NULL`);
  }

  /** Is anything kept? No is certain. */
  get mayHoldAny(): boolean {
    return this.mayHold;
  }

  /** Has this node's engine deleted rows by itself that others refer to? No is certain. */
  get mayHaveDeletedItself(): boolean {
    return this.mayHoldCauses;
  }

  private keyBlob(table: ReplicatedTable, key: readonly SqlValue[]): Buffer {
    return Buffer.from(canonicalKey(key, table.collations));
  }

  /** A tombstone is about to take the row's place, under this arrival. */
  beforeDelete(table: ReplicatedTable, key: readonly SqlValue[], version: RowVersion, arrival: number): void {
    const hlc = highestHlc(vectorOf(version));
    const image = table.rows.read(key);
    if (image !== null) this.keep(table, key, image, { hlc, arrival, cause: null });
    else if (this.mayHold) this.raise.run(hlc, table.captured.id, this.keyBlob(table, key));
  }

  /** A live version is about to take the row's place, or to come back to it, under this arrival. */
  beforeWrite(table: ReplicatedTable, key: readonly SqlValue[], version: RowVersion, arrival: number): void {
    this.forget(table, key);
    if (table.referencedValues.length === 0) return;
    const image = table.rows.read(key);
    if (image !== null) this.noteValues(table, key, image, { hlc: highestHlc(vectorOf(version)), arrival });
  }

  /** Keeps a row that leaves its table. */
  keep(table: ReplicatedTable, key: readonly SqlValue[], image: readonly SqlValue[], departure: Departure): void {
    const { hlc, cause } = departure;
    const stamp: Stamp = { hlc, session: KEPT };
    const version: RowVersion = { alive: true, life: stamp, stamp, vector: null, columnStamps: null, edits: 1 };
    const packed = packRow(table.definition, table.columnIds, key, { version, image });
    const because = cause === null ? null : stampText(cause);
    this.upsert.run(table.captured.id, this.keyBlob(table, key), packed, because, hlc);
    this.noteValues(table, key, image, departure);
    this.mayHold = true;
    if (cause !== null) this.mayHoldCauses = true;
  }

  /** That the row still holds them, or holds them again, does no harm: a row that finds its parent is not asked for. */
  private noteValues(
    table: ReplicatedTable,
    key: readonly SqlValue[],
    image: readonly SqlValue[],
    { hlc, arrival }: Omit<Departure, 'cause'>,
  ): void {
    for (const foreignKey of table.referencedValues) {
      const values = foreignKey.parentColumns.map(
        ({ name }) => image[table.definition.columns.indexOf(name)] as SqlValue,
      );
      if (values.includes(null)) continue;
      const row = JSON.stringify([key.map(toJsonValue), values.map(toJsonValue)]);
      this.upsertValue.run(
        table.captured.id,
        columnsText(foreignKey),
        valueBlob(foreignKey, values),
        row,
        arrival,
        hlc,
      );
      this.mayHold = true;
    }
  }

  /** The row is back, or somebody has written to it since: what is kept is not what was last deleted. */
  forget(table: ReplicatedTable, key: readonly SqlValue[]): void {
    if (this.mayHold) this.remove.run(table.captured.id, this.keyBlob(table, key));
  }

  private find(table: ReplicatedTable, key: readonly SqlValue[]) {
    if (!this.mayHold) return undefined;
    return this.selectOne.get(table.captured.id, this.keyBlob(table, key), this.state.get('horizon'));
  }

  /** The row as it was, with its columns as the table has them now; null: nothing is kept of it. */
  imageOf(table: ReplicatedTable, key: readonly SqlValue[]): readonly SqlValue[] | null {
    const found = this.find(table, key);
    if (found === undefined) return null;
    const { definition, row } = unpackRow(found.image);
    return mapKeptColumns(table, definition.columns)(row).image;
  }

  /** The write for whose sake this node's engine deleted the row by itself; null: it did not. */
  causeOf(table: ReplicatedTable, key: readonly SqlValue[]): Stamp | null {
    const cause = this.mayHoldCauses ? this.find(table, key)?.cause : null;
    return cause === null || cause === undefined ? null : parseStamp(cause);
  }

  /** Keys of the rows that have had these values in the columns that the foreign key means. */
  holdersOf(parent: ReplicatedTable, foreignKey: ForeignKey, values: readonly SqlValue[]): (readonly SqlValue[])[] {
    if (!this.mayHold) return [];
    const blob = valueBlob(foreignKey, values);
    const rows = this.selectHolders.all(parent.captured.id, columnsText(foreignKey), blob, this.state.get('horizon'));
    return rows.map((row) => parseGivenUp(row).key);
  }

  /** What rows have given up of these columns by versions that arrived in the window. */
  givenUpIn(parent: ReplicatedTable, foreignKey: ForeignKey, { after, upTo }: Window): GivenUp[] {
    if (!this.mayHold) return [];
    return this.selectGivenUp.all(parent.captured.id, columnsText(foreignKey), after, upTo).map(parseGivenUp);
  }

  /** Drops what lies within the horizon, at most `limit` rows of each kind. Says whether more may be left. */
  dropWithin(horizon: number, limit: number): boolean {
    if (!this.mayHold) return false;
    return this.removeWithin.map((remove) => remove.run(horizon, limit).changes).includes(limit);
  }
}

function pluck<Parameters extends unknown[], Result>(db: Database, sql: string): Statement<Parameters, Result> {
  return db.prepare(sql).pluck() as unknown as Statement<Parameters, Result>;
}

function columnsText({ parentColumns }: ForeignKey): string {
  return JSON.stringify(parentColumns.map(({ name }) => name));
}

function valueBlob({ parentColumns }: ForeignKey, values: readonly SqlValue[]): Buffer {
  const collations = parentColumns.map(({ collation }) => collation);
  return Buffer.from(canonicalKey(values, collations));
}

function parseGivenUp(row: string): GivenUp {
  const [key, values] = JSON.parse(row) as [unknown[], unknown[]];
  const parse = (json: readonly unknown[]) => json.map((value) => fromJsonValue(value) as SqlValue);
  return { key: parse(key), values: parse(values) };
}
