/** The joins as joins: commutative, associative, idempotent, never against causality; what they lose they say. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type JoinRules, type JoinSide, joinRows } from '../../src/replication/join-rows.js';
import { columnStampOf, type SqlValue, type VersionedRow, vectorOf } from '../../src/replication/row-version.js';
import type { Stamp } from '../../src/replication/stamp.js';
import type { Strategy } from '../../src/replication/table-schema.js';
import { entryOf, isWithin, knows, union } from '../../src/replication/version-vector.js';

const COLUMNS = [0, 1, 2];
const SESSIONS = ['a.0000000000000000@0', 'b.0000000000000000@0', 'c.0000000000000000@0'];

/** A strategy, with or without an order of nodes that breaks its ties. */
interface Case {
  readonly strategy: Strategy;
  readonly nodeOrder: readonly string[];
}

function rules({ strategy, nodeOrder }: Case): JoinRules {
  return { strategy, keysAllocated: false, defaultOf: () => null, columnIds: COLUMNS, nodeOrder };
}

const MERGE: Case = { strategy: 'merge', nodeOrder: [] };
const CASES: readonly Case[] = [
  MERGE,
  { strategy: 'lww', nodeOrder: [] },
  { strategy: 'version', nodeOrder: [] },
  // A node that the order does not name comes last; it is not in the order of the sessions' names.
  { strategy: 'version', nodeOrder: ['c', 'a'] },
  { strategy: 'manual', nodeOrder: [] },
];

type Act = { node: number; kind: 'set' | 'delete' | 'pull'; column: number; from: number };

const acts = fc.array(
  fc.record({
    node: fc.nat(2),
    kind: fc.constantFrom('set' as const, 'set' as const, 'delete' as const, 'pull' as const),
    column: fc.nat(2),
    from: fc.nat(2),
  }),
  { minLength: 3, maxLength: 14 },
);

/** Versions that can really occur: three nodes write one row, and pull it from each other by the rules under test. */
function versionsOf(history: readonly Act[], by: Case): VersionedRow[] {
  const nodes: (VersionedRow | undefined)[] = [undefined, undefined, undefined];
  const seen: VersionedRow[] = [];
  let hlc = 0;
  for (const { node, kind, column, from } of history) {
    const old = nodes[node];
    hlc += 1;
    const stamp: Stamp = { hlc, session: SESSIONS[node] as string };
    let next: VersionedRow | undefined = old;
    if (kind === 'set') next = written(old, stamp, column);
    else if (kind === 'delete' && old?.version.alive) next = tombstone(old, stamp);
    else if (kind === 'pull') next = received(old, nodes[from], by);
    if (next !== undefined && next !== old) seen.push(next);
    nodes[node] = next;
  }
  return seen;
}

function over(old: VersionedRow | undefined, stamp: Stamp) {
  const vector = new Map(old === undefined ? [] : vectorOf(old.version)).set(stamp.session, stamp.hlc);
  return { stamp, vector, edits: (old?.version.edits ?? 0) + 1 };
}

function written(old: VersionedRow | undefined, stamp: Stamp, column: number): VersionedRow {
  const value = BigInt(stamp.hlc);
  if (!old?.version.alive) {
    return {
      version: { alive: true, life: stamp, columnStamps: null, ...over(old, stamp) },
      image: COLUMNS.map(() => value),
    };
  }
  const columnStamps = new Map(old.version.columnStamps ?? []).set(column, stamp);
  const image = (old.image as SqlValue[]).map((v, i) => (i === column ? value : v));
  return { version: { ...old.version, columnStamps, ...over(old, stamp) }, image };
}

function tombstone(old: VersionedRow, stamp: Stamp): VersionedRow {
  return { version: { alive: false, life: stamp, columnStamps: null, ...over(old, stamp) }, image: null };
}

function received(mine: VersionedRow | undefined, theirs: VersionedRow | undefined, by: Case) {
  if (theirs === undefined) return mine;
  return mine === undefined ? theirs : join(mine, theirs, by);
}

const side = (row: VersionedRow): JoinSide => ({ row, horizon: 0 });

/** As the applier does: dominated versions are not joined. */
function join(x: VersionedRow, y: VersionedRow, by: Case): VersionedRow {
  if (isWithin(vectorOf(y.version), vectorOf(x.version))) return x;
  if (isWithin(vectorOf(x.version), vectorOf(y.version))) return y;
  return joinRows(side(x), side(y), rules(by)).row;
}

/** A version as text, without the order of its maps. */
function spelled({ version, image }: VersionedRow): string {
  const columns = version.alive ? COLUMNS.map((id) => columnStampOf(version, id)) : [];
  const vector = [...vectorOf(version)].sort();
  return JSON.stringify([version.alive, version.life, columns, version.edits, vector, image?.map(String) ?? null]);
}

describe.each(CASES)('$strategy, ties by $nodeOrder', (by) => {
  const three = acts.map((history) => versionsOf(history, by)).filter((v) => v.length >= 3);
  const triple = three.chain((v) => fc.tuple(fc.constantFrom(...v), fc.constantFrom(...v), fc.constantFrom(...v)));

  test('is commutative, associative and idempotent', () => {
    fc.assert(
      fc.property(triple, ([x, y, z]) => {
        expect(spelled(join(x, y, by))).toBe(spelled(join(y, x, by)));
        expect(spelled(join(x, x, by))).toBe(spelled(x));
        const left = join(join(x, y, by), z, by);
        const right = join(x, join(y, z, by), by);
        expect(spelled(left)).toBe(spelled(right));
      }),
      { numRuns: 3000 },
    );
  });

  test('never goes against causality: what knew the other wins', () => {
    fc.assert(
      fc.property(triple, ([x, y]) => {
        const [v, w] = [vectorOf(x.version), vectorOf(y.version)];
        fc.pre(isWithin(v, w) && !isWithin(w, v));
        const { row, conflict } = joinRows(side(x), side(y), rules(by));
        expect(row.image).toEqual(y.image);
        expect(conflict).toBeNull();
      }),
      { numRuns: 3000 },
    );
  });

  test('keeps every unseen write visible or in the conflict', () => {
    fc.assert(
      fc.property(triple, ([x, y]) => {
        const { row, conflict } = joinRows(side(x), side(y), rules(by));
        expect([...vectorOf(row.version)].sort()).toEqual([...union(vectorOf(x.version), vectorOf(y.version))].sort());
        for (const [mine, other] of [
          [x, y],
          [y, x],
        ] as const) {
          for (const id of mine.version.alive ? COLUMNS : []) {
            const stamp = columnStampOf(mine.version, id);
            if (knows(vectorOf(other.version), stamp)) continue;
            const value = mine.image?.[id];
            const isVisible = row.image?.[id] === value;
            const isKept = conflict?.loser.image?.[id] === value || conflict?.winner.image?.[id] === value;
            expect(isVisible || isKept).toBe(true);
          }
        }
      }),
      { numRuns: 3000 },
    );
  });
});

test('writes to different columns of one row merge without a conflict', () => {
  const base = written(undefined, { hlc: 1, session: SESSIONS[0] as string }, 0);
  const x = written(base, { hlc: 2, session: SESSIONS[0] as string }, 0);
  const y = written(base, { hlc: 3, session: SESSIONS[1] as string }, 1);
  const { row, conflict } = joinRows(side(x), side(y), rules(MERGE));
  expect(row.image).toEqual([2n, 3n, 1n]);
  expect(conflict).toBeNull();
  expect(entryOf(vectorOf(row.version), SESSIONS[1] as string)).toBe(3);
});

test('two inserts of a key that SQLite allocates are a key collision', () => {
  const x = written(undefined, { hlc: 1, session: SESSIONS[0] as string }, 0);
  const y = written(undefined, { hlc: 2, session: SESSIONS[1] as string }, 0);
  const { conflict } = joinRows(side(x), side(y), { ...rules(MERGE), keysAllocated: true });
  expect(conflict?.kind).toBe('key-collision');
  expect(conflict?.winner).toBe(y);
  expect(joinRows(side(x), side(y), rules(MERGE)).conflict?.kind).toBe('insert-insert');
});

test('of two rows written as often an order of nodes decides, and the more often written one wins all the same', () => {
  const byOrder: Case = { strategy: 'version', nodeOrder: ['c', 'a'] };
  const base = written(undefined, { hlc: 1, session: SESSIONS[0] as string }, 0);
  const writtenBy = (node: number, hlc: number, old = base) =>
    written(old, { hlc, session: SESSIONS[node] as string }, 0);
  const [a, b, c] = [writtenBy(0, 4), writtenBy(1, 9), writtenBy(2, 2)];
  expect(join(a, b, byOrder).image).toEqual(a.image);
  expect(join(a, c, byOrder).image).toEqual(c.image);
  expect(join(writtenBy(1, 3, b), c, byOrder).image).toEqual(writtenBy(1, 3, b).image);
});
