/**
 * Puts rows of the application into the states that a decision wants, all of them or none, unless somebody has written
 * them since. What foreign keys do along with it is found in the change log, and told with the rest: so that it can be
 * undone whole.
 */
import type { ErrorBody, ErrorCode } from '../errors.js';
import { constraintOf } from './apply-context.js';
import type { ExpectedRow, WantedRow } from './conflict-outcome.js';
import type { JsonValue } from './json-values.js';
import { OP } from './metadata-schema.js';
import type { Image, OperatorRows, OperatorTables } from './operator-rows.js';
import type { OperatorWrites } from './operator-writes.js';
import type { JsonRow } from './recorded-conflict.js';
import type { SqlValue } from './row-version.js';

/** Rows that foreign keys may change along with one decision: all of them are kept, so that it can be undone. */
const CASCADED_ROWS_MAX = 1_000;
/** A value in a message is cut after so many characters. */
const VALUE_CHARS_MAX = 60;

/** A row that changed. Of one that stays the columns that changed, of others all; null: no row. */
export interface RowChange {
  readonly table: string;
  readonly key: JsonRow;
  readonly before: JsonRow | null;
  readonly after: JsonRow | null;
}

export type Placement = { readonly changes: readonly RowChange[] } | { readonly refusal: ErrorBody };

interface LocatedRow {
  readonly rows: OperatorRows;
  readonly key: SqlValue[];
  /** The same for the same row, however its key is spelled. */
  readonly name: string;
  readonly image: Image | null;
}

interface PlannedRow extends LocatedRow {
  readonly wanted: WantedRow;
}

class Refused extends Error {
  constructor(readonly body: ErrorBody) {
    super(body.message);
  }
}

function refuse(message: string, hint: string | null = null, code: ErrorCode = 'resolution-refused'): never {
  throw new Refused({ code, message, hint });
}

/** @param expected states of the rows that are to be written without which nothing is done; null: whatever is there */
export function placeRows(
  tables: OperatorTables,
  writes: OperatorWrites,
  wanted: readonly WantedRow[],
  expected: readonly ExpectedRow[] | null,
): Placement {
  try {
    const planned = wanted.map((row) => plan(tables, row)).filter((row) => !isAsWanted(row));
    if (planned.length === 0) return { changes: [] };
    const names = new Set(planned.map(({ name }) => name));
    for (const row of expected ?? []) assertExpected(tables, row, names);
    return { changes: carryOut(tables, writes, planned) };
  } catch (error) {
    if (error instanceof Refused) return { refusal: error.body };
    throw error;
  }
}

function locate(tables: OperatorTables, { table, key: json }: Pick<WantedRow, 'table' | 'key'>): LocatedRow {
  const rows = tables.named(table) ?? refuse(`table ${table} does not replicate here (any more)`);
  const key = rows.keyFrom(json) ?? refuse(`the key of ${table} is another by now: ${rows.keyColumns.join(', ')}`);
  return { rows, key, name: rows.nameOf(key), image: rows.read(key) };
}

function plan(tables: OperatorTables, wanted: WantedRow): PlannedRow {
  const located = locate(tables, wanted);
  const named = Object.keys(wanted.row ?? {});
  if (named.length > 0 && located.rows.present(named).length === 0) {
    refuse(`${wanted.table} has no column ${named.join(', ')} any more`);
  }
  return { ...located, wanted };
}

function isAsWanted({ rows, image, wanted }: PlannedRow): boolean {
  if (image === null || wanted.row === null) return image === null && wanted.row === null;
  return rows.differences(image, wanted.row).length === 0;
}

/** Is the row in one of the states? */
export function isAsExpected(rows: OperatorRows, image: Image | null, { states }: ExpectedRow): boolean {
  return states.some((state) =>
    image === null || state === null ? image === state : rows.differences(image, state).length === 0,
  );
}

/** @param concerned names of the rows that are to be written: others may hold anything */
function assertExpected(tables: OperatorTables, expected: ExpectedRow, concerned: ReadonlySet<string>): void {
  if (!concerned.has(tables.nameOf(expected))) return;
  const { rows, key, image } = locate(tables, expected);
  if (isAsExpected(rows, image, expected)) return;
  const what = `${expected.table} ${JSON.stringify(expected.key)}`;
  if (rows.isKeptAside(key)) {
    refuse(
      `the table cannot hold ${what} as it was settled: that version waits in quarantine`,
      'Decide on another node.',
    );
  }
  refuse(`${what} has changed since: ${describeChange(rows, image, expected)}`, null, 'row-changed');
}

function describeChange(rows: OperatorRows, image: Image | null, { states }: ExpectedRow): string {
  const state = states.find((candidate) => candidate !== null) ?? null;
  if (image === null) return 'the row is gone';
  if (state === null) return 'the row is there again';
  const now = rows.toJson(image);
  const [name = '', ...others] = rows.differences(image, state);
  const more = others.length > 0 ? `, and ${others.join(', ')}` : '';
  return `${name} is ${shown(now[name])}, and was left at ${shown(state[name])}${more}`;
}

/** Text is quoted and a real has its point, so that values of two storage classes do not look alike. */
function shown(value: JsonValue | undefined): string {
  const text = JSON.stringify(value ?? null);
  if (typeof value !== 'object' || value === null) {
    return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text;
  }
  if ('$int' in value) return value.$int;
  if ('$real' in value) return /^-?\d+$/.test(value.$real) ? `${value.$real}.0` : value.$real;
  return '$blob' in value ? 'a blob' : 'text that is not UTF-8';
}

function carryOut(tables: OperatorTables, writes: OperatorWrites, planned: readonly PlannedRow[]): RowChange[] {
  const { savepoint } = writes;
  savepoint.begin();
  try {
    const touched = write(tables, writes, planned);
    const known = new Map(planned.map(({ name, image }) => [name, image]));
    const others = touched.filter(({ name }) => !known.has(name));
    if (others.length > 0) {
      // What foreign keys have changed is read as it was before, and then changed again.
      savepoint.takeBack();
      for (const { rows, key, name } of others) known.set(name, rows.read(key));
      write(tables, writes, planned);
    }
    const changes = touched.flatMap((row) => changeOf(row, known.get(row.name) ?? null));
    savepoint.end();
    return changes;
  } catch (error) {
    savepoint.giveUp();
    if (!isRefusal(error)) throw error;
    return refuse((error as Error).message, standsInTheWay(planned));
  }
}

/** Constraints, and foreign keys to columns that are not UNIQUE, which SQLite takes for a mistake in the schema. */
function isRefusal(error: unknown): boolean {
  return constraintOf(error) !== null || (error as Error).message.startsWith('foreign key mismatch');
}

type TouchedRow = Pick<LocatedRow, 'rows' | 'key' | 'name'>;

/** Writes the rows, and says which rows that has changed, in order: those planned, and those that foreign keys led to. */
function write(tables: OperatorTables, writes: OperatorWrites, planned: readonly PlannedRow[]): TouchedRow[] {
  const { log } = writes;
  const before = log.last();
  for (const row of planned) writeRow(row);
  const entries = log.after(before, CASCADED_ROWS_MAX + planned.length + 1);
  const touched = new Map<string, TouchedRow>();
  for (const { tableId, op, key } of entries) {
    const rows = op === OP.check ? null : tables.withId(tableId);
    if (rows === null) continue;
    const own = key.slice(0, rows.keyColumns.length);
    const name = rows.nameOf(own);
    touched.set(name, { rows, key: own, name });
  }
  if (entries.length > CASCADED_ROWS_MAX + planned.length) {
    refuse(`more than ${CASCADED_ROWS_MAX} other rows would change along with it`, 'Change them in the application.');
  }
  // A write that no trigger can see, as from 0.0 to -0.0, is one all the same.
  for (const row of planned) if (!touched.has(row.name)) touched.set(row.name, row);
  return [...touched.values()];
}

function writeRow({ rows, key, image, wanted: { row, base } }: PlannedRow): void {
  if (row === null) rows.delete(key);
  else if (image !== null) rows.update(key, rows.differences(image, row), row);
  else if (base !== null) rows.insert({ ...base, ...row });
  else refuse('the row is gone, and only some of its columns are known', null, 'row-changed');
}

function changeOf({ rows, key }: TouchedRow, before: Image | null): RowChange[] {
  const after = rows.read(key);
  if (before === null && after === null) return [];
  const change = { table: rows.table.name, key: rows.keyToJson(key) };
  if (before === null || after === null) {
    return [{ ...change, before: before && rows.toJson(before), after: after && rows.toJson(after) }];
  }
  const columns = rows.differencesOf(before, after);
  const some = (image: Image) => rows.toJson(image, columns);
  return columns.length === 0 ? [] : [{ ...change, before: some(before), after: some(after) }];
}

/** Which rows hold a UNIQUE value that is wanted; null: none do, something else is in the way. */
function standsInTheWay(planned: readonly PlannedRow[]): string | null {
  const going = planned.map(({ name }) => name);
  const holders = planned.flatMap(({ rows, image, wanted: { table, row, base } }) => {
    if (row === null) return [];
    const whole = { ...(image === null ? base : rows.toJson(image)), ...row };
    return holdersOf(rows, whole)
      .filter((key) => !going.includes(rows.nameOf(rows.keyFrom(key) ?? [])))
      .map((key) => `${table} ${JSON.stringify(key)}`);
  });
  return holders.length === 0 ? null : `In the way: ${holders.join(', ')}`;
}

/** A row that another constraint refuses as well cannot be asked about. */
function holdersOf(rows: OperatorRows, row: JsonRow): JsonRow[] {
  try {
    return rows.holdersOf(row);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return [];
  }
}
