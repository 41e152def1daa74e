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
import { changedPlaces, isOfMaker, ReferenceMoves } from './move-references.js';
import { homeOf, isIn, type NewHome, underNewKey } from './new-home.js';
import { insertByItself, takePlace, writeColumns } from './own-writes.js';
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
  for (const row of rehomed) if (row.isNew) referAnew(row, provable, context);
  const moves = new ReferenceMoves(context);
  const moved = new Map(provable.map((row) => [row, moves.moveTo(row.home)]));
  for (const [i, outcome] of outcomes.entries()) {
    if ('home' in outcome) {
      const detail = { rekeyedTo: Number(outcome.home.newKey[0]), moved: moved.get(outcome) ?? 0 };
      recordLives(lives[i] as MetLives, detail, context);
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
 * Can it be told which references meant the row? Where rows are joined whole, one that other nodes have written may have
 * won over the other row for a time.
 */
function isProvable({ home, version }: Rehomed): boolean {
  const maker = nodeOf(home.life.session);
  if (home.table.captured.rules.strategy === 'merge') return true;
  return [...vectorOf(version).keys()].every((session) => nodeOf(session) === maker);
}

/** A row that has just got its new key may have meant others that got theirs; it has no metadata yet to tell by. */
function referAnew(row: Rehomed, others: readonly Rehomed[], context: ApplyContext): void {
  const { table, newKey } = row.home;
  const image = table.rows.read(newKey);
  if (image === null) return;
  const changes = new Map<number, SqlValue>();
  for (const reference of table.references) {
    for (const { home } of others.filter((other) => other.home.table === reference.parent)) {
      const places = [...(changedPlaces(reference, home) ?? [])];
      const isMeant = places.every(([place]) => {
        const stamp = columnStampOf(row.version, table.columnIds[place] as number);
        return image[place] === home.key[0] && isOfMaker(stamp, home, context.state.get('horizon'));
      });
      if (isMeant) for (const [place, value] of places) changes.set(place, value);
    }
  }
  if (changes.size === 0) return;
  context.attempt(() => table.rows.write(image.map((value, place) => changes.get(place) ?? value)));
}
