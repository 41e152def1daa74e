/** Retention of closed conflicts and of operations: what is open, young or not everywhere stays. */
import { afterEach, describe, expect, test } from 'vitest';
import { INTERNAL_TABLES } from '../../src/replication/metadata-schema.js';
import { OperatorWrites } from '../../src/replication/operator-writes.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SCHEMA =
  'CREATE TABLE item(id TEXT PRIMARY KEY NOT NULL, n); CREATE TABLE judged(id TEXT PRIMARY KEY NOT NULL, n)';
const [, , CONFLICTS, RESOLUTIONS, OPERATIONS] = INTERNAL_TABLES;
/** As if everything had happened long ago. */
const EVERYTHING = { conflictsBeforeMs: Date.now() + 86_400_000, operationsBeforeMs: Date.now() + 86_400_000 };
const NOTHING = { conflictsBeforeMs: 0, operationsBeforeMs: 0 };

let cluster: EngineCluster;
afterEach(() => cluster.close());

function pair(): [EngineNode, EngineNode] {
  cluster = new EngineCluster(SCHEMA, 2, { strategies: { judged: 'manual' } });
  cluster.settleDown();
  return cluster.nodes as [EngineNode, EngineNode];
}

function settleAll(): void {
  for (let round = 0; round < 3; round += 1) {
    cluster.settleDown();
    for (const node of cluster.nodes) while (node.replica.settle().more);
  }
}

/** Both write one column of one row without knowing of each other. */
function collide([a, b]: [EngineNode, EngineNode], table: string, id: string): void {
  a.app.exec(`INSERT INTO ${table} VALUES('${id}', 0)`);
  settleAll();
  a.app.exec(`UPDATE ${table} SET n = 1 WHERE id = '${id}'`);
  b.app.exec(`UPDATE ${table} SET n = 2 WHERE id = '${id}'`);
  a.foldAll();
  b.foldAll();
  cluster.settleDown();
}

let resolutions = 0;
function resolve({ app }: EngineNode, choice: string): void {
  resolutions += 1;
  const id = `r${resolutions}`;
  OperatorWrites.transaction(app, Date.now(), (writes) => {
    app
      .prepare(`INSERT INTO ${RESOLUTIONS.name} SELECT ?, id, ?, '[]', '[]', 'n0', 'ann', ? FROM ${CONFLICTS.name}`)
      .run(id, choice, Date.now() + resolutions);
    writes.enterInsert(RESOLUTIONS.id, [id]);
  });
}

function prune({ replica }: EngineNode, ages = EVERYTHING): number {
  let all = 0;
  for (;;) {
    const { removed, more } = replica.pruneRecords(ages);
    all += removed;
    if (!more) return all;
  }
}

const count = ({ app }: EngineNode, table: string) => app.prepare(`SELECT count(*) FROM ${table}`).pluck().get();

describe('a closed conflict', () => {
  test('goes when it is old and everywhere, on this node alone, and does not come back', () => {
    const nodes = pair();
    const [a, b] = nodes;
    collide(nodes, 'item', 'x');
    const data = a.data();
    expect(prune(a)).toBe(0);
    settleAll();
    expect(prune(a, NOTHING)).toBe(0);
    expect(prune(a)).toBe(1);
    expect(a.replica.status()).toMatchObject({
      conflicts: { auto: 0, open: 0, resolved: 0, byKind: { 'update-update': 0 } },
      conflictsEver: [{ kind: 'update-update', strategy: 'merge', count: 1 }],
    });
    settleAll();
    expect([count(a, CONFLICTS.name), count(b, CONFLICTS.name)]).toEqual([0, 1]);
    for (const node of nodes) expect(node.data()).toEqual(data);
    collide(nodes, 'item', 'y');
    expect(a.replica.status().conflictsEver).toEqual([{ kind: 'update-update', strategy: 'merge', count: 2 }]);
  });

  test('that a person closed takes its resolutions along, once they are everywhere too', () => {
    const nodes = pair();
    const [a, b] = nodes;
    collide(nodes, 'judged', 'x');
    settleAll();
    expect(prune(a)).toBe(0);
    resolve(a, 'winner');
    // Not even folded yet: without metadata, but nowhere else.
    expect(prune(a)).toBe(0);
    settleAll();
    expect(prune(b)).toBe(1);
    for (const table of [CONFLICTS.name, RESOLUTIONS.name]) expect([count(a, table), count(b, table)]).toEqual([1, 0]);
  });

  test('is open again when the decision has been taken back', () => {
    const nodes = pair();
    const [a] = nodes;
    collide(nodes, 'judged', 'x');
    resolve(a, 'loser');
    resolve(a, 'undo');
    settleAll();
    expect(a.replica.status().conflicts).toMatchObject({ open: 1, resolved: 0, byStrategy: { manual: 1 } });
    expect(prune(a)).toBe(0);
    resolve(a, 'loser');
    settleAll();
    expect(a.replica.status().conflicts).toMatchObject({ open: 0, resolved: 1 });
    expect(prune(a)).toBe(1);
  });

  test('is as old as the last decision about it', () => {
    const nodes = pair();
    const [a] = nodes;
    collide(nodes, 'item', 'x');
    resolve(a, 'loser');
    settleAll();
    const detected = a.app.prepare(`SELECT max(detected_at) FROM ${CONFLICTS.name}`).pluck().get() as number;
    const decided = a.app.prepare(`SELECT max(at) FROM ${RESOLUTIONS.name}`).pluck().get() as number;
    expect(decided).toBeGreaterThan(detected);
    expect(prune(a, { ...NOTHING, conflictsBeforeMs: decided })).toBe(0);
    expect(prune(a, { ...NOTHING, conflictsBeforeMs: decided + 1 })).toBe(1);
  });

  test('leaves nothing behind when another node decides about it later', () => {
    const nodes = pair();
    const [a, b] = nodes;
    collide(nodes, 'item', 'x');
    settleAll();
    prune(a);
    resolve(b, 'loser');
    settleAll();
    expect(count(a, RESOLUTIONS.name)).toBe(1);
    expect(a.replica.status().conflicts).toMatchObject({ auto: 0, resolved: 0 });
    prune(a);
    expect(count(a, RESOLUTIONS.name)).toBe(0);
  });
});

test('operations go by their own age', () => {
  const [a, b] = pair();
  const record = { id: 'f00d', node: 'n0', operator: 'ann', command: 'prune', detail: null, result: 'done' };
  OperatorWrites.transaction(a.app, Date.now(), (writes) => writes.recordOperation(record));
  expect(prune(a)).toBe(0);
  settleAll();
  expect(prune(a, { ...EVERYTHING, operationsBeforeMs: 0 })).toBe(0);
  expect(prune(a)).toBe(1);
  expect([count(a, OPERATIONS.name), count(b, OPERATIONS.name)]).toEqual([0, 1]);
});

test('many go in steps, and one that stays in between is no obstacle', () => {
  const [a] = pair();
  const rows = 12_000;
  a.app.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
    INSERT INTO ${CONFLICTS.name}(id, tbl, key, kind, strategy, columns, winner, loser, detected_at) SELECT printf('%032x', i), 'item', '{}', 'unique',
      CASE WHEN i % 100 THEN 'merge' ELSE 'manual' END, '[]', '{}', '{}', 1 FROM n`);
  expect(a.replica.status().conflicts).toMatchObject({ auto: 11_880, open: 120, byKind: { unique: rows } });
  const first = a.replica.pruneRecords(EVERYTHING);
  expect(first).toEqual({ removed: 4950, more: true });
  expect(first.removed + prune(a)).toBe(11_880);
  expect(a.replica.status().conflicts).toMatchObject({ auto: 0, open: 120 });
});
