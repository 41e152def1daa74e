/**
 * Whole rows of which some nodes have a column that others lack: on nodes that have it their joins are joins all the same,
 * and what was written to it is joined by the order of rows.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withUnsaid } from '../../src/replication/column-mapping.js';
import { foldRow } from '../../src/replication/fold-row.js';
import { type JoinRules, joinRows, takeUnsaid } from '../../src/replication/join-rows.js';
import { OP } from '../../src/replication/metadata-schema.js';
import { columnRankOf, type SqlValue, type VersionedRow, vectorOf } from '../../src/replication/row-version.js';
import { isWithin } from '../../src/replication/version-vector.js';

const NEW_COLUMN = 2;
const COLUMNS = [0, 1, NEW_COLUMN];
/** The first two have the new column, the others do not. */
const NODES = ['a', 'b', 'c', 'd'] as const;
const [A, B, C, D] = [0, 1, 2, 3] as const;
const hasNew = (node: number) => node <= B;
const sessionOf = (node: number) => `${NODES[node]}.0000000000000000@0`;

const RULES: readonly JoinRules[] = (['lww', 'version', 'manual'] as const).map((strategy) => ({
  strategy,
  keysAllocated: false,
  defaultOf: () => null,
  columnIds: COLUMNS,
  nodeOrder: [],
}));

type Act = { node: number; kind: 'set' | 'delete' | 'pull'; column: number; from: number };

const acts = fc.array(
  fc.record({
    node: fc.nat(3),
    kind: fc.constantFrom('set' as const, 'set' as const, 'delete' as const, 'pull' as const),
    column: fc.nat(2),
    from: fc.nat(3),
  }),
  { minLength: 4, maxLength: 20 },
);

/** One row on four nodes; what each has of it is kept as a node with the new column has it. */
class Row {
  readonly seen: VersionedRow[] = [];
  private readonly rows: VersionedRow[];
  private hlc = 1;

  constructor(private readonly rules: JoinRules) {
    const base = this.write(undefined, C, OP.insert, 0);
    this.rows = NODES.map(() => base);
  }

  act({ node, kind, column, from }: Act): void {
    const mine = this.rows[node] as VersionedRow;
    const theirs = this.rows[from] as VersionedRow;
    // A row that says something of a column waits where there is none.
    if (kind === 'pull' && hasNew(from) && !hasNew(node)) return;
    const op = kind === 'set' ? OP.update : OP.delete;
    const next = kind === 'pull' ? join(mine, theirs, this.rules) : this.write(mine, node, op, column);
    this.rows[node] = next;
    this.seen.push(next);
  }

  private write(old: VersionedRow | undefined, node: number, op: number, column: number): VersionedRow {
    this.hlc += 1;
    const isNew = old?.image == null;
    const isDeleted = op === OP.delete;
    const columnIds = hasNew(node) ? COLUMNS : COLUMNS.slice(0, -1);
    const entry = { hlc: this.hlc, op: isNew && !isDeleted ? OP.insert : op, columns: isNew ? null : [column] };
    const context = { horizon: 0, editsFloor: 0, isWhole: true, columnIds, rowExists: () => true };
    const folded = foldRow(old?.version, [entry], { ...context, session: sessionOf(node) });
    if (folded === undefined || old?.version === folded) return old as VersionedRow;
    const value = BigInt(this.hlc);
    const image = COLUMNS.map((id): SqlValue => {
      if (!columnIds.includes(id)) return null;
      return isNew || id === column ? value : (old.image?.[id] ?? null);
    });
    const version = hasNew(node) ? folded : withUnsaid(folded, [NEW_COLUMN], this.rules);
    return { version, image: isDeleted ? null : image };
  }
}

/** As the applier does. */
function join(x: VersionedRow, y: VersionedRow, rules: JoinRules): VersionedRow {
  if (isWithin(vectorOf(y.version), vectorOf(x.version))) return x;
  if (isWithin(vectorOf(x.version), vectorOf(y.version))) return takeUnsaid(y, x, rules);
  return joinRows({ row: x, horizon: 0 }, { row: y, horizon: 0 }, rules).row;
}

function spelled({ version, image }: VersionedRow): string {
  const rank = version.alive ? columnRankOf(version, NEW_COLUMN) : null;
  const vector = [...vectorOf(version)].sort();
  return JSON.stringify([version.stamp, version.edits, vector, rank?.stamp, rank?.edits, image?.map(String) ?? null]);
}

test('once rows merge by columns no column is later than its row', () => {
  const rank = { stamp: { hlc: 9, session: sessionOf(A) }, edits: 1 };
  const life = { hlc: 1, session: sessionOf(C) };
  const rowBy = (node: number, unsaid: boolean): VersionedRow => {
    const stamp = { hlc: 5 + node, session: sessionOf(node) };
    const vector = new Map([[stamp.session, stamp.hlc]]);
    const version = { alive: true, life, stamp, vector, columnStamps: null, edits: 3 };
    return { version: unsaid ? { ...version, unsaid: new Map([[NEW_COLUMN, rank]]) } : version, image: [1n, 2n, 3n] };
  };
  const merge: JoinRules = { ...(RULES[0] as JoinRules), strategy: 'merge' };
  const { version } = joinRows({ row: rowBy(C, true), horizon: 0 }, { row: rowBy(B, false), horizon: 0 }, merge).row;
  for (const { hlc } of version.columnStamps?.values() ?? []) expect(hlc).toBeLessThanOrEqual(version.stamp.hlc);
  expect(version.unsaid).toBeUndefined();
  expect(version.columnStamps?.size).toBe(1);
});

describe.each(RULES)('$strategy', (rules) => {
  const versions = acts.map((history) => {
    const row = new Row(rules);
    for (const act of history) row.act(act);
    return row.seen;
  });
  const triple = versions
    .filter((seen) => seen.length >= 3)
    .chain((seen) => fc.tuple(fc.constantFrom(...seen), fc.constantFrom(...seen), fc.constantFrom(...seen)));

  test('is commutative, associative and idempotent', () => {
    fc.assert(
      fc.property(triple, ([x, y, z]) => {
        expect(spelled(join(x, y, rules))).toBe(spelled(join(y, x, rules)));
        expect(spelled(join(x, x, rules))).toBe(spelled(x));
        expect(spelled(join(join(x, y, rules), z, rules))).toBe(spelled(join(x, join(y, z, rules), rules)));
      }),
      { numRuns: 5000 },
    );
  });

  test('a row that wins without the column keeps what was written to it', () => {
    const row = new Row(rules);
    row.act({ node: A, kind: 'set', column: NEW_COLUMN, from: A });
    for (const column of [0, 1]) row.act({ node: D, kind: 'set', column, from: D });
    const [ofA, , ofD] = row.seen as [VersionedRow, VersionedRow, VersionedRow];
    const joined = joinRows({ row: ofA, horizon: 0 }, { row: ofD, horizon: 0 }, rules);
    expect(joined.row.image).toEqual([ofD.image?.[0], ofD.image?.[1], ofA.image?.[NEW_COLUMN]]);
    expect(joined.conflict?.columns).toEqual([0, 1]);
  });

  test('what was written to it is in a record, also where nothing else differs: a later write may take its place', () => {
    const row = new Row(rules);
    row.act({ node: A, kind: 'set', column: NEW_COLUMN, from: A });
    for (const column of [0, 1]) row.act({ node: D, kind: 'set', column, from: D });
    const [ofA, , ofD] = row.seen as [VersionedRow, VersionedRow, VersionedRow];
    const alike = { ...ofD, image: [...(ofA.image ?? []).slice(0, NEW_COLUMN), null] };
    const { row: joined, conflict } = joinRows({ row: ofA, horizon: 0 }, { row: alike, horizon: 0 }, rules);
    expect(joined.image).toEqual(ofA.image);
    expect(conflict?.loser.image).toEqual(ofA.image);
  });
});
