/**
 * What a file holds that a seed lacks, or may lack: read out of the file that the seed is about to replace. Everything in
 * the file is folded.
 */
import type { Engine } from './engine.js';
import { nextHlc } from './hlc.js';
import type { QuarantinedRow } from './quarantine.js';
import type { ReplicatedTable } from './replicated-table.js';
import { columnStampOf, type RowVersion, type SqlValue, vectorOf } from './row-version.js';
import type { SeedKnowledge } from './seed-knowledge.js';
import { type Stamp, settledStamp } from './stamp.js';

/** Quarantined rows read in one go. */
const KEPT_ROWS_MAX = 64;

export interface LeftRow {
  readonly table: ReplicatedTable;
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
}

/** Every row of which something is only here, or may be; those of sqlsync's own tables among them. */
export function* leftRows(engine: Engine, knowledge: SeedKnowledge): Generator<LeftRow, void, undefined> {
  for (const table of engine.tables.all) {
    const names = () => engine.fates.namesOf(table.captured.name, {});
    for (const { version, key, image } of engine.shipReader(engine.options.writer, table).rowsAfter(0)) {
      const kept = engine.quarantine.get(table, key);
      if (kept !== undefined) continue;
      // Triggers were off when the row was deleted.
      const isMissing = version.alive && image === null;
      const seenUpTo = engine.held.horizonOf(names, table.definition, key);
      const row = { version: isMissing ? missedDeletion(engine) : version, image, seenUpTo };
      if (isMissing || isLeft(version, table, knowledge)) yield { table, key, ...row, isSettled: false };
    }
    if (knowledge.isSeedBehind) yield* settledRows(engine, table);
  }
  for (const { table, key, row } of keptRows(engine)) {
    if (isLeft(row.version, table, knowledge)) yield { table, key, ...row, seenUpTo: null, isSettled: false };
  }
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

/** The deletion of a row that triggers have not seen: a write of this node's that is made now. */
function missedDeletion({ state, log, clock }: Engine): RowVersion {
  const stamp: Stamp = { hlc: nextHlc(log.last(), clock.nowMs()), session: state.ensureSession() };
  return { alive: false, life: stamp, stamp, vector: null, columnStamps: null, edits: 1 };
}

function isLeft(version: RowVersion, { columnIds }: ReplicatedTable, knowledge: SeedKnowledge): boolean {
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
  for (const key of table.rows.keys()) {
    if (key.includes(null) || table.metadata.get(key) !== undefined) continue;
    yield { table, key, version, image: table.rows.read(key), seenUpTo: null, isSettled: true };
  }
}
