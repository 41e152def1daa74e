/**
 * Joins the rows of a file with those of a snapshot, for `join --merge`: two databases of one application that have never
 * been one data set. The snapshot is `main` and becomes the node's file; the file with rows of its own is attached as
 * `here` and only read. What is written goes through the capture triggers, so it reaches the other members as this node's
 * writes; what loses is kept whole in conflict records.
 *
 * SQLite compares: keys under their collations, values to the byte and the storage class.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { isOurs, type SchemaReading } from './read-schema.js';
import { quoteIdentifier } from './sql-text.js';
import type { CapturedTable, TableSchema } from './table-schema.js';

/** The name under which the file with rows of its own is attached. */
export const HERE = 'here';

/** One table's rows in both files. */
export interface MergeForecast {
  readonly name: string;
  readonly equal: number;
  readonly onlyHere: number;
  readonly onlyThere: number;
  /** Rows with one key and different values. */
  readonly conflicts: number;
}

/** SQL over a table of both files: `t` is the snapshot's row, `h` the row of the file that is merged in. */
export class MergedTable {
  readonly columns: readonly string[];
  readonly keys: readonly string[];
  private readonly there: string;
  private readonly here: string;

  constructor(readonly captured: CapturedTable) {
    this.columns = captured.columns.map(({ name }) => quoteIdentifier(name));
    this.keys = captured.schema.identity.columns.map(({ name }) => quoteIdentifier(name));
    this.there = `main.${quoteIdentifier(captured.name)}`;
    this.here = `${HERE}.${quoteIdentifier(captured.name)}`;
  }

  get sameKey(): string {
    const { columns } = this.captured.schema.identity;
    return this.keys
      .map((key, i) => `t.${key} = h.${key} COLLATE ${quoteIdentifier(columns[i]?.collation ?? '')}`)
      .join(' AND ');
  }

  /** Row values, since SQLite bounds the depth of an expression, not the width of a row. */
  private get sameValues(): string {
    const row = (prefix: string) => [
      ...this.columns.map((column) => `${prefix}.${column} COLLATE BINARY`),
      ...this.columns.map((column) => `typeof(${prefix}.${column})`),
    ];
    return `(${row('t').join(', ')}) IS (${row('h').join(', ')})`;
  }

  get pairs(): string {
    return `${this.there} AS t JOIN ${this.here} AS h ON ${this.sameKey}`;
  }

  get differs(): string {
    return `NOT ${this.sameValues}`;
  }

  get onlyHere(): string {
    return `${this.here} AS h WHERE NOT EXISTS(SELECT 1 FROM ${this.there} AS t WHERE ${this.sameKey})`;
  }

  forecast(db: Database): MergeForecast {
    const count = (sql: string) =>
      db.prepare<[], number>(`SELECT count(*) ${sql}`).safeIntegers(false).pluck().get() ?? 0;
    const both = count(`FROM ${this.pairs}`);
    const conflicts = count(`FROM ${this.pairs} WHERE ${this.differs}`);
    const there = count(`FROM ${this.there}`);
    const onlyHere = count(`FROM ${this.onlyHere}`);
    return { name: this.captured.name, equal: both - conflicts, onlyHere, onlyThere: there - both, conflicts };
  }
}

/** Attaches the file at `path` as `here` while `work` is done. */
export function withFileAttached<Result>(db: Database, path: string, work: () => Result): Result {
  db.prepare(`ATTACH ? AS ${HERE}`).run(path);
  try {
    return work();
  } finally {
    db.exec(`DETACH ${HERE}`);
  }
}

/**
 * The tables that both files have, once it is known that nothing of the file's would be left behind. Throws
 * 'schema-differs' for a table that the snapshot lacks, or has with other columns or another key.
 */
export function mergedTables(db: Database, captured: readonly CapturedTable[], here: SchemaReading): MergedTable[] {
  const own = captured.filter((table) => !table.internal);
  const byName = new Map(own.map((table) => [table.name, table]));
  const wrong: string[] = [];
  const tables = here.tables.flatMap((schema) => {
    if (isOurs(schema.name) || !hasRows(db, schema.name)) return [];
    const table = byName.get(schema.name);
    const why = table === undefined ? 'the peer does not replicate it' : difference(schema, table.schema);
    if (why !== null) wrong.push(`${schema.name}: ${why}`);
    return table === undefined ? [] : [new MergedTable(table)];
  });
  for (const { name } of here.refused) {
    if (hasRows(db, name) && !byName.has(name)) wrong.push(`${name}: it has no key to merge by`);
  }
  if (wrong.length === 0) return tables;
  throw new SqlsyncError('schema-differs', `these tables have rows that could not be merged:\n${wrong.join('\n')}`, {
    hint: 'bring both files to one schema first, or empty these tables here; nothing was changed',
  });
}

function hasRows(db: Database, table: string): boolean {
  return db.prepare(`SELECT 1 FROM ${HERE}.${quoteIdentifier(table)} LIMIT 1`).get() !== undefined;
}

function difference(here: TableSchema, there: TableSchema): string | null {
  const shape = ({ columns }: TableSchema) =>
    JSON.stringify(
      columns
        .filter(({ generated }) => generated === 'no')
        .map(({ name, affinity }) => [name, affinity])
        .sort(),
    );
  const key = ({ identity }: TableSchema) => JSON.stringify(identity.columns);
  if (key(here) !== key(there)) return 'the peer has it with another key';
  return shape(here) === shape(there) ? null : 'the peer has it with other columns';
}
