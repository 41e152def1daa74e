/**
 * The rule `rekey`, once a cut is in: of two rows that got one allocated key on two nodes the losing one lives on under a
 * key derived from what it is, and what provably meant it follows. Every node that joins the two writes the same, each as
 * a write of its own. Where that cannot be done the row is kept in its record alone, as under the rule `keep`, and the
 * record says why.
 */
import { type ApplyContext, record } from './apply-context.js';
import { isCatchingUp } from './catch-up.js';
import type { ConflictDetail } from './conflict-record.js';
import { isDerivedKey } from './derived-key.js';
import { isSameImage, type JoinConflict } from './join-rows.js';
import { IN_PARTS, type KeyCollisions, type MetLives } from './key-collisions.js';
import { carryOver } from './late-writes.js';
import { OP } from './metadata-schema.js';
import { isOfMaker, ReferenceMoves } from './move-references.js';
import { homeOf, isIn, type NewHome, underNewKey } from './new-home.js';
import { insertByItself, takePlace, writeColumns } from './own-writes.js';
import type { ReplicatedTable } from './replicated-table.js';
import { columnStampOf, type RowVersion, type SqlValue, vectorOf } from './row-version.js';
import { isAfter } from './stamp.js';
import { nodeOf } from './version-vector.js';

/** The losing row under its new key. */
interface Rehomed {
  readonly home: NewHome;
  /** The row's version under its old key. */
  readonly version: RowVersion;
  /** Was it written here, and now? */
  readonly isNew: boolean;
  /** Is it in its table? It may have been deleted since another node gave it the key, or wait in quarantine. */
  readonly isThere: boolean;
}

/** Why what refers to a row stays, in words. */
const UNTOLD = 'other nodes have written to the row: what refers to it cannot be told from what refers to the other';

type Outcome = Rehomed | { readonly kept: string };

export function settleKeyCollisions({ met, displaced, late }: KeyCollisions, context: ApplyContext): void {
  // Another stage, half applied, may hold what would tell.
  const isWhole = !isCatchingUp(context.state);
  const lives = met.map(byLife);
  const outcomes = lives.map((one) => (isWhole ? giveNewKey(one, context) : { kept: IN_PARTS }));
  const rehomed = outcomes.filter((outcome) => 'home' in outcome);
  const found = (isWhole ? displaced : []).flatMap(({ table, key, version }) => {
    const home = homeOf(table, key, version);
    return isIn(home, context) ? [{ home, version, isNew: false, isThere: true }] : [];
  });
  const provable = [...rehomed, ...found].filter((row) => row.isThere && isProvable(row));
  const moved = moveReferences(rehomed, provable, context);
  for (const [i, outcome] of outcomes.entries()) {
    if ('home' in outcome) {
      const detail = { rekeyedTo: Number(outcome.home.newKey[0]), moved: moved.get(outcome) ?? 0 };
      const isAllTold = outcome.home.table.referencedBy.length === 0 || isProvable(outcome);
      recordLives(lives[i] as MetLives, isAllTold ? detail : { ...detail, kept: UNTOLD }, context);
    } else {
      recordLives(met[i] as MetLives, outcome, context);
    }
  }
  for (const write of late) carryOver(write, context);
}

function recordLives({ table, key, conflict }: MetLives, detail: ConflictDetail, context: ApplyContext): void {
  record({ table: table.captured, key, ...conflict, detail }, context);
}

/**
 * The row that was inserted later keeps the key, whichever the strategy has taken: the stamps of rows that are joined
 * whole go on rising, and nodes that join at different times would give new keys to different rows.
 */
function byLife(met: MetLives): MetLives {
  const { winner, loser, winnerStamp, loserStamp } = met.conflict;
  if (isAfter(winner.version.life, loser.version.life)) return met;
  const sides = { winner: loser, loser: winner, winnerStamp: loserStamp, loserStamp: winnerStamp };
  return { ...met, conflict: { ...met.conflict, ...sides } };
}

function giveNewKey(met: MetLives, context: ApplyContext): Outcome {
  const { table, key, conflict } = met;
  const { version } = conflict.loser;
  if (isDerivedKey(key[0] as bigint)) return bringTogether(met, context);
  if (hasCommonHistory(conflict.winner.version, version))
    return { kept: 'the key was in use before: both may be one row' };
  const home = homeOf(table, key, version);
  if (isIn(home, context)) return { home, version, isNew: false, isThere: true };
  const waits = context.quarantine.get(table, home.newKey) !== undefined;
  if (waits || table.metadata.get(home.newKey)?.alive === false) return { home, version, isNew: false, isThere: false };
  if (table.rows.exists(home.newKey)) return { kept: `another row has the key ${home.newKey[0]}` };
  const refused = context.attempt(() => insertUnderNewKey(home, conflict, context));
  return refused === null ? { home, version, isNew: true, isThere: true } : { kept: refused };
}

function insertUnderNewKey(home: NewHome, { winner, loser }: JoinConflict, context: ApplyContext): void {
  const { table, key, newKey } = home;
  const current = table.rows.read(key);
  if (current !== null && isSameImage(current, loser.image)) takePlace(table, key, winner.image ?? [], context);
  insertByItself(table, newKey, underNewKey(home, loser.image ?? []), context);
  // A node that has seen less of the row gives it the same key: what was written to it later counts as later here too.
  const isMerged = table.captured.rules.strategy === 'merge';
  const later = isMerged ? laterColumns(loser.version) : [];
  if (later.length > 0) context.logOwnWrite(table.captured.id, OP.update, newKey, later);
}

/** Columns that were written after the row was inserted. */
function laterColumns({ columnStamps }: RowVersion): number[] {
  return columnStamps === null ? [] : [...columnStamps.keys()];
}

/** The same row, given its key by two nodes that had seen different writes to it. */
function bringTogether({ table, key, conflict }: MetLives, context: ApplyContext): Outcome {
  const { winner, loser } = conflict;
  const unwritten = laterColumns(loser.version).filter((id) => !winner.version.columnStamps?.has(id));
  const isMerged = table.captured.rules.strategy === 'merge' && unwritten.length > 0;
  const refused = isMerged ? writeColumns(table, key, loser.image ?? [], unwritten, context) : null;
  return { kept: refused ?? 'its key is one that was given to it before' };
}

/** A write that went into both: neither row is the first under this key. */
function hasCommonHistory(x: RowVersion, y: RowVersion): boolean {
  const other = vectorOf(y);
  return [...vectorOf(x).keys()].some((session) => other.has(session));
}

/**
 * Can it be told which references meant the row? Where rows are joined whole, what other nodes have written may have won
 * over the row for a time. By the latest stamp nothing has that was written before the row was made.
 */
function isProvable({ home, version }: Rehomed): boolean {
  const { strategy } = home.table.captured.rules;
  if (strategy === 'merge') return true;
  const maker = nodeOf(home.life.session);
  const isHarmless = (hlc: number) => strategy === 'lww' && hlc < home.life.hlc;
  return [...vectorOf(version)].every(([session, hlc]) => nodeOf(session) === maker || isHarmless(hlc));
}

/** Moves what meant these rows: how many rows, for each of them. */
function moveReferences(
  rehomed: readonly Rehomed[],
  provable: readonly Rehomed[],
  context: ApplyContext,
): Map<Rehomed, number> {
  const byKey = new Map<string, Rehomed[]>();
  for (const row of provable) {
    const name = nameOf(row.home.table, row.home.key[0]);
    byKey.set(name, [...(byKey.get(name) ?? []), row]);
  }
  const moved = new Map<Rehomed, number>();
  const count = (row: Rehomed, rows: number) => moved.set(row, (moved.get(row) ?? 0) + rows);
  for (const row of rehomed) {
    if (row.isNew) for (const meant of referAnew(row, byKey, context)) if (meant !== row) count(meant, 1);
  }
  const moves = new ReferenceMoves(context);
  for (const row of provable) count(row, moves.moveTo(row.home));
  return moved;
}

function nameOf({ captured }: ReplicatedTable, key: SqlValue | undefined): string {
  return `${captured.id} ${key}`;
}

/**
 * A row that has just got its new key may have meant others that got theirs; it has no metadata yet to tell by. Returns
 * those that it means now.
 */
function referAnew(
  row: Rehomed,
  byKey: ReadonlyMap<string, readonly Rehomed[]>,
  context: ApplyContext,
): readonly Rehomed[] {
  const { table, newKey } = row.home;
  const image = table.rows.read(newKey);
  if (image === null) return [];
  const changes = new Map<number, SqlValue>();
  const meant = new Set<Rehomed>();
  for (const reference of table.references) {
    const at = reference.key.identityPlaces?.[0] ?? -1;
    const place = table.definition.columns.indexOf(reference.key.childColumns[at]?.name ?? '');
    const stamp = place < 0 ? null : columnStampOf(row.version, table.columnIds[place] as number);
    for (const other of byKey.get(nameOf(reference.parent, image[place])) ?? []) {
      if (stamp === null || !isOfMaker(stamp, other.home, context.state.get('horizon'))) continue;
      changes.set(place, other.home.newKey[0] as SqlValue);
      meant.add(other);
    }
  }
  if (changes.size === 0) return [];
  const refused = context.attempt(() => table.rows.write(image.map((value, place) => changes.get(place) ?? value)));
  return refused === null ? [...meant] : [];
}
