/**
 * What a file holds that a seed lacks, or may lack: read out of the file that the seed is about to replace. Everything in
 * the file is folded.
 */
import type { RecordedTable } from './conflict-record.js';
import type { Engine } from './engine.js';
import { nextHlc } from './hlc.js';
import type { QuarantinedRow } from './quarantine.js';
import type { ReplicatedTable } from './replicated-table.js';
import { columnStampOf, type RowVersion, type SqlValue, vectorOf } from './row-version.js';
import { readRules } from './rules.js';
import type { SeedKnowledge } from './seed-knowledge.js';
import { type Stamp, settledStamp } from './stamp.js';
import type { CapturedTable, TableRules } from './table-schema.js';
import type { TableDefinition } from './wire-messages.js';

/** Rows that are in no table, read in one go. */
const KEPT_ROWS_MAX = 64;

/** A table as its rows in the file are: of those that are only held there, one that the file may not have. */
export type TableOfFile = Pick<ReplicatedTable, 'definition' | 'columnIds'> & {
  readonly captured: RecordedTable & Pick<CapturedTable, 'internal'>;
};

export interface LeftRow {
  readonly table: TableOfFile;
  readonly key: readonly SqlValue[];
  readonly version: RowVersion;
  /** In the order of the file's columns; null: a deletion. */
  readonly image: readonly SqlValue[] | null;
  /**
   * What this version has seen of others is what it says itself, and what was settled by then, although the file has more:
   * another version of the row waits in it for the schema. Null: none does.
   */
  readonly seenUpTo: number | null;
  /** Nothing tells whether others have deleted it, or never had it. */
  readonly isSettled: boolean;
  /** It is in no table of the file's, for want of the table or of a column. */
  readonly isAside: boolean;
}

/** Every row of which something is only here, or may be; those of sqlsync's own tables among them. */
export function* leftRows(engine: Engine, knowledge: SeedKnowledge): Generator<LeftRow, void, undefined> {
  const inTable = { isSettled: false, isAside: false };
  for (const table of engine.tables.all) {
    for (const { version, key, image } of engine.shipReader(engine.options.writer, table).rowsAfter(0)) {
      const kept = engine.quarantine.get(table, key);
      if (kept !== undefined) continue;
      // Triggers were off when the row was deleted.
      const isMissing = version.alive && image === null;
      const row = { version: isMissing ? missedDeletion(engine) : version, image };
      if (isMissing || isLeft(version, table, knowledge))
        yield { table, key, ...row, seenUpTo: seenUpTo(engine, table.definition, key), ...inTable };
    }
    if (knowledge.isSeedBehind) yield* settledRows(engine, table);
  }
  for (const { table, key, row } of keptRows(engine)) {
    if (isLeft(row.version, table, knowledge))
      yield { table, key, ...row, seenUpTo: seenUpTo(engine, table.definition, key), ...inTable };
  }
  for (const row of rowsAside(engine)) if (isLeft(row.version, row.table, knowledge)) yield row;
}

function seenUpTo({ held, fates }: Engine, definition: TableDefinition, key: readonly SqlValue[]): number | null {
  return held.horizonOf(() => fates.namesOf(definition.name, {}), definition, key);
}

/** Versions that could not be written. */
function* keptRows({ quarantine }: Engine): Generator<QuarantinedRow, void, undefined> {
  yield* quarantine.withReason('parked');
  for (let after: number | null = 0; after !== null; ) {
    const { rows, next } = quarantine.afterArrival(after, KEPT_ROWS_MAX);
    yield* rows;
    after = next;
  }
}

/** Versions that the schema cannot hold, and those that a constraint has kept out of a table that is gone meanwhile. */
function* rowsAside(engine: Engine): Generator<LeftRow, void, undefined> {
  const rulesOf = readRules(engine.options.writer);
  const tableOf = (definition: TableDefinition) => tableFrom(definition, rulesOf(definition.name));
  const aside = { isSettled: false, isAside: true };
  for (const { definition, key, row } of engine.quarantine.withoutTable())
    yield { table: tableOf(definition), key, ...row, seenUpTo: seenUpTo(engine, definition, key), ...aside };
  for (let after = 0; ; ) {
    const rows = engine.held.after(after, KEPT_ROWS_MAX);
    for (const { definition, key, row, horizon } of rows)
      yield { table: tableOf(definition), key, ...row, seenUpTo: horizon, ...aside };
    if (rows.length < KEPT_ROWS_MAX) return;
    after = rows.at(-1)?.arrival ?? after;
  }
}

/** A table as a row's definition tells of it: its columns go by their places. */
function tableFrom(definition: TableDefinition, rules: TableRules): TableOfFile {
  const { name, key, collations } = definition;
  const columns = definition.columns.map((column, id) => ({ id, name: column }));
  const identity = { columns: key.map((column, i) => ({ name: column, collation: collations[i] ?? 'BINARY' })) };
  return {
    definition,
    columnIds: columns.map(({ id }) => id),
    captured: { name, columns, rules, internal: false, schema: { identity } },
  };
}

/** The deletion of a row that triggers have not seen: a write of this node's that is made now. */
function missedDeletion({ state, log, clock }: Engine): RowVersion {
  const stamp: Stamp = { hlc: nextHlc(log.last(), clock.nowMs()), session: state.ensureSession() };
  return { alive: false, life: stamp, stamp, vector: null, columnStamps: null, edits: 1 };
}

function isLeft(version: RowVersion, { columnIds }: TableOfFile, knowledge: SeedKnowledge): boolean {
  const isElsewhere = (stamp: Stamp) => knowledge.whereabouts(stamp) === 'in-seed';
  // Nearly always the vector says so at once.
  if ([...vectorOf(version)].every(([session, hlc]) => isElsewhere({ session, hlc }))) return false;
  const stamps = version.alive ? columnIds.map((id) => columnStampOf(version, id)) : [];
  return ![version.life, ...stamps].every(isElsewhere);
}

/** Rows without metadata: all that can be said of them is what they hold. */
function* settledRows(engine: Engine, table: ReplicatedTable): Generator<LeftRow, void, undefined> {
  const life = settledStamp(engine.state.get('horizon'));
  const version: RowVersion = { alive: true, life, stamp: life, vector: new Map(), columnStamps: null, edits: 0 };
  const settled = { version, seenUpTo: null, isSettled: true, isAside: false };
  for (const key of table.rows.keys()) {
    if (key.includes(null) || table.metadata.get(key) !== undefined) continue;
    yield { table, key, image: table.rows.read(key), ...settled };
  }
}
