/**
 * What a node that seeds itself afresh does with one row that it had: pure. Its own writes that the seed lacks are done
 * again on the seed's row, column by column, as the application did them. Where others have written the same since, the
 * later write stands, as in a join; where nobody can tell any more (the seed's row is settled), the node's own does. What
 * loses either way is a conflict, and so is a write of which nobody can tell whether it had arrived.
 */
import type { ConflictKind } from './conflict-record.js';
import { isSameValue } from './join-rows.js';
import { columnStampOf, type RowVersion, type SqlValue } from './row-version.js';
import { isAfter, type Stamp } from './stamp.js';
import type { Strategy } from './table-schema.js';

/** Where a write of this node's file is, seen from the seed. */
export type Whereabouts = 'in-seed' | 'only-here' | 'unknown';

/** Does this node's file have a write that the seed has? */
export type Familiarity = 'known' | 'unknown' | 'unclear';

export interface RejoinFacts {
  readonly strategy: Strategy;
  /** SQLite allocates this table's keys. */
  readonly keysAllocated: boolean;
  /** Ids of the columns of the seed's table, in the order of its images. */
  readonly columnIds: readonly number[];
  readonly mine: {
    readonly version: RowVersion;
    /** In the order of the seed's columns; undefined: this node's file had no such column. Null: a deletion. */
    readonly image: readonly (SqlValue | undefined)[] | null;
    /** Stamps of the columns, in the same order. */
    readonly stamps: readonly Stamp[];
  };
  /** What the seed has of the row; a live one without metadata is settled. Null: nothing, or a deletion that is settled. */
  readonly theirs: { readonly version: RowVersion; readonly image: readonly SqlValue[] | null } | null;
  whereabouts(stamp: Stamp): Whereabouts;
  familiarity(stamp: Stamp): Familiarity;
}

export type RejoinAct =
  | { readonly act: 'nothing' | 'delete' }
  /** Undefined: the column's default. */
  | { readonly act: 'write'; readonly image: readonly (SqlValue | undefined)[] };

export interface RejoinConflict {
  readonly kind: ConflictKind;
  readonly winner: 'mine' | 'theirs';
  /** Ids of the colliding columns; empty when whole rows collided. */
  readonly columns: readonly number[];
}

export interface RejoinDecision {
  readonly act: RejoinAct;
  readonly conflict: RejoinConflict | null;
}

const NOTHING: RejoinDecision = { act: { act: 'nothing' }, conflict: null };

export function decideRow(facts: RejoinFacts): RejoinDecision {
  const { version, image } = facts.mine;
  const life = facts.whereabouts(version.life);
  if (image === null) return decideDeletion(facts, life);
  if (life === 'only-here') return decideInsert(facts, image);
  return decideUpdate(facts, image);
}

/** Places of the columns whose last write here is so. */
function placesOf({ mine, whereabouts }: RejoinFacts, wanted: Whereabouts): number[] {
  return mine.stamps.flatMap((stamp, place) =>
    whereabouts(stamp) === wanted && mine.image?.[place] !== undefined ? [place] : [],
  );
}

function differs({ mine, theirs }: RejoinFacts, place: number): boolean {
  const [x, y] = [mine.image?.[place], theirs?.image?.[place]];
  return x === undefined || y === undefined ? x !== y : !isSameValue(x, y);
}

/** Columns of a row that the seed has, or had. */
function decideUpdate(facts: RejoinFacts, image: readonly (SqlValue | undefined)[]): RejoinDecision {
  const { theirs, columnIds } = facts;
  const own = placesOf(facts, 'only-here');
  const unclear = placesOf(facts, 'unknown');
  if (own.length === 0 && unclear.length === 0) return NOTHING;
  if (theirs === null || theirs.image === null || isOtherLife(facts)) return loses(facts, 'update-delete');
  if (facts.strategy !== 'merge' && hasLaterRow(facts)) return loses(facts, 'update-update');
  const result: (SqlValue | undefined)[] = [...theirs.image];
  const colliding: number[] = [];
  for (const place of own) {
    const stamp = columnStampOf(theirs.version, columnIds[place] as number);
    const familiarity = familiarityOf(facts, stamp);
    const isLater = familiarity === 'unknown' && isAfter(stamp, facts.mine.stamps[place] as Stamp);
    if (!isLater) result[place] = image[place];
    if (familiarity !== 'known' && differs(facts, place)) colliding.push(place);
  }
  const act: RejoinAct = own.length === 0 ? { act: 'nothing' } : { act: 'write', image: result };
  // Whole: no stamp tells which of the two values is the later one.
  if (unclear.some((place) => differs(facts, place)))
    return { act, conflict: { kind: 'update-update', winner: 'theirs', columns: [] } };
  if (colliding.length === 0) return { act, conflict: null };
  const columns = colliding.map((place) => columnIds[place] as number).sort((x, y) => x - y);
  return { act, conflict: { kind: 'update-update', winner: laterOf(facts, colliding), columns } };
}

/** A column without a stamp of its own goes by its row's life, which says more: up to where it is settled. */
function familiarityOf({ theirs, familiarity }: RejoinFacts, stamp: Stamp): Familiarity {
  return stamp.hlc === 0 && theirs !== null ? familiarity(theirs.version.life) : familiarity(stamp);
}

/** Has the row been deleted and made again by others? */
function isOtherLife({ theirs, familiarity }: RejoinFacts): boolean {
  return theirs !== null && familiarity(theirs.version.life) === 'unknown';
}

/** For strategies that take rows whole: have others written the row, and later? */
function hasLaterRow({ mine, theirs, familiarity }: RejoinFacts): boolean {
  if (theirs === null || familiarity(theirs.version.stamp) !== 'unknown') return false;
  return isAfter(theirs.version.stamp, mine.version.stamp);
}

function laterOf({ mine, theirs, columnIds }: RejoinFacts, places: readonly number[]): 'mine' | 'theirs' {
  const latest = (stamps: readonly Stamp[]) => stamps.reduce((x, y) => (isAfter(y, x) ? y : x));
  const here = latest(places.map((place) => mine.stamps[place] as Stamp));
  const there = latest(places.map((place) => columnStampOf(theirs?.version as RowVersion, columnIds[place] as number)));
  return isAfter(here, there) ? 'mine' : 'theirs';
}

function loses({ mine, theirs }: RejoinFacts, kind: ConflictKind): RejoinDecision {
  if (mine.image === null && theirs?.image == null) return NOTHING;
  return { act: { act: 'nothing' }, conflict: { kind, winner: 'theirs', columns: [] } };
}

/** A row that began here. */
function decideInsert(facts: RejoinFacts, image: readonly (SqlValue | undefined)[]): RejoinDecision {
  const { theirs, mine, familiarity, keysAllocated } = facts;
  const act: RejoinAct = { act: 'write', image };
  if (theirs === null) return { act, conflict: null };
  const known = familiarity(theirs.version.life);
  const isLater = known === 'known' || isAfter(mine.version.life, theirs.version.life);
  if (theirs.image === null) return isLater ? { act, conflict: null } : loses(facts, 'update-delete');
  if (image.every((_, place) => !differs(facts, place))) return NOTHING;
  if (known === 'known') {
    const isUnchanged = facts.columnIds.every(
      (id) => familiarityOf(facts, columnStampOf(theirs.version, id)) === 'known',
    );
    return { act, conflict: isUnchanged ? null : { kind: 'update-delete', winner: 'mine', columns: [] } };
  }
  const kind = keysAllocated ? 'key-collision' : 'insert-insert';
  return isLater ? { act, conflict: { kind, winner: 'mine', columns: [] } } : loses(facts, kind);
}

/** A row that ended here. A deletion beats updates of the life that it ended, and no later life. */
function decideDeletion(facts: RejoinFacts, life: Whereabouts): RejoinDecision {
  const { theirs, mine, familiarity, columnIds } = facts;
  if (life === 'in-seed' || theirs === null || theirs.image === null) return NOTHING;
  if (life === 'unknown') return loses(facts, 'update-delete');
  if (isOtherLife(facts) && isAfter(theirs.version.life, mine.version.life)) return NOTHING;
  const isUnchanged =
    familiarity(theirs.version.life) === 'known' &&
    columnIds.every((id) => familiarityOf(facts, columnStampOf(theirs.version, id)) === 'known');
  return {
    act: { act: 'delete' },
    conflict: isUnchanged ? null : { kind: 'update-delete', winner: 'mine', columns: [] },
  };
}
