/**
 * Writes by which nodes agree again. A row that differs without any write that tells of it is written once more, as it is
 * on the node that is right, by that node itself: the new write covers all that went into the row, so every member takes
 * it, and it meets no application's write but as one of its own time. What is overwritten is kept whole in a conflict
 * record beforehand. Each call is one write transaction.
 */
import { createHash } from 'node:crypto';
import { type ComparedValue, ValueDigest } from './compared-values.js';
import type { RecordedSide, StoredConflict } from './conflict-record.js';
import type { Engine } from './engine.js';
import { nextHlc } from './hlc.js';
import { toJsonRow, toJsonValue } from './json-values.js';
import { OP } from './metadata-schema.js';
import type { ReplicatedTable } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import type { SqlValue } from './row-version.js';
import { SETTLED_SESSION } from './stamp.js';
import { nodeOf } from './version-vector.js';

/** A row to be written again. */
export interface RowToRewrite {
  readonly key: readonly SqlValue[];
  /** Names of the columns that differ; empty: all. */
  readonly columns: readonly string[];
  /** A read-only node has written it for itself: a life of its own would outlast an update here, but no later life. */
  readonly anew: boolean;
}

/** A row that two nodes have unlike. */
export interface Disagreement extends RowToRewrite {
  /** The other node's row, in the order of the compared columns; null: it has none. */
  readonly there: readonly ComparedValue[] | null;
}

/** The other node's session, and the latest of it that it knows of itself; null: it has written nothing yet. */
export type OtherNode = { readonly session: string; readonly hlc: number } | null;

/** Rows of one table that two nodes have unlike. */
interface Disagreements {
  readonly table: ReplicatedTable;
  readonly columns: readonly string[];
  readonly rows: readonly Disagreement[];
  readonly other: OtherNode;
}

/**
 * Writes the rows again as they are here: present ones in the columns named, absent ones as deletions. False, and only a
 * part of the change log has been folded, when more of it was due than one transaction takes: try again.
 */
export function rewriteRows(engine: Engine, table: ReplicatedTable, rows: readonly RowToRewrite[]): boolean {
  return whenFolded(engine, () => {
    for (const row of rows) rewriteRow(engine, table, row);
  });
}

/** The same, and keeps what the other node has in those rows. `strategy`: what the records name as having settled it. */
export function overrule(engine: Engine, them: Disagreements, strategy: StoredConflict['strategy']): boolean {
  return whenFolded(engine, () => {
    for (const row of them.rows) {
      rewriteRow(engine, them.table, row);
      const [here, there] = [sideHere(engine, them, row, engine.log.last()), sideThere(them, row, null)];
      keep(engine, them, row, { strategy, winner: here, loser: there });
    }
  });
}

/** Keeps what this node has in rows that the other is about to write again as they are there. */
export function keepBeforeYielding(engine: Engine, them: Disagreements): boolean {
  return whenFolded(engine, () => {
    for (const row of them.rows) {
      const last = engine.log.last();
      const [here, there] = [
        sideHere(engine, them, row, last),
        sideThere(them, row, nextHlc(last, engine.clock.nowMs())),
      ];
      keep(engine, them, row, { strategy: 'repair', winner: there, loser: here });
    }
  });
}

/** Can the other node's row be kept whole? Values too large to be sent are known by their hash alone. */
export function canBeKept({ there }: Pick<Disagreement, 'there'>): boolean {
  return there === null || !there.some((value) => value instanceof ValueDigest);
}

/** Only at the log's end: before, a row may hold writes that its metadata does not. */
function whenFolded(engine: Engine, work: () => void): boolean {
  return engine.writeTransaction(() => {
    if (!engine.foldBeforeApply()) return false;
    work();
    engine.foldToEnd();
    return true;
  });
}

function rewriteRow(engine: Engine, table: ReplicatedTable, { key, columns, anew }: RowToRewrite): void {
  const { id, columns: own } = table.captured;
  if (table.rows.exists(key)) {
    if (anew) {
      engine.logOwnWrite(id, OP.delete, key, 0);
      engine.logOwnWrite(id, OP.insert, key, 0);
      return;
    }
    const ids = own.filter(({ name }) => columns.includes(name)).map((column) => column.id);
    engine.logOwnWrite(id, OP.update, key, 0, ids.length === 0 ? undefined : ids);
    return;
  }
  // A second deletion of what is known to be dead says nothing: it has to have lived again.
  if (table.metadata.get(key)?.alive === false) engine.logOwnWrite(id, OP.insert, key, 0);
  engine.logOwnWrite(id, OP.delete, key, 0);
}

function sideHere(engine: Engine, { table }: Disagreements, { key }: Disagreement, hlc: number): RecordedSide {
  const session = engine.state.ensureSession();
  const image = table.rows.read(key);
  const row = image === null ? null : toJsonRow(table.definition.columns, image);
  return { node: nodeOf(session), session, hlc, row };
}

/** `hlc`: of the write that the other node will make; null: of the latest that it knows of itself. */
function sideThere({ columns, other }: Disagreements, { there }: Disagreement, hlc: number | null): RecordedSide {
  const told = columns.flatMap((name, i) => {
    const value = there?.[i];
    return value === undefined || value instanceof ValueDigest ? [] : [[name, toJsonValue(value)] as const];
  });
  return {
    node: other === null ? null : nodeOf(other.session),
    session: other?.session ?? null,
    hlc: hlc ?? other?.hlc ?? 0,
    row: there === null ? null : Object.fromEntries(told),
  };
}

function keep(
  engine: Engine,
  { table }: Disagreements,
  { key, columns }: Disagreement,
  { strategy, winner, loser }: Pick<StoredConflict, 'strategy' | 'winner' | 'loser'>,
): void {
  const kind = winner.row === null || loser.row === null ? 'update-delete' : 'update-update';
  const { definition, collations } = table;
  const parts = [definition.name, canonicalKey(key, collations), 'repair', nameOf(winner), nameOf(loser)];
  const id = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
  const record = { id, table: definition.name, key: toJsonRow(definition.key, key), kind, columns, strategy } as const;
  engine.records.put({ ...record, winner, loser }, engine.clock.nowMs());
}

const nameOf = ({ session, hlc }: RecordedSide): string => `${hlc}@${session ?? SETTLED_SESSION}`;
