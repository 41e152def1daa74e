/**
 * Tables that are left out and taken in over and over, while applications write, engines are killed and members hear late
 * of what was decided: once all is taken in, every node holds the same.
 */
import { expect, test, vi } from 'vitest';
import { SqlsyncError } from '../../src/errors.js';
import { inspectCapture } from '../../src/replication/inspect-capture.js';
import { undecided } from '../../src/replication/rules.js';
import { adoptRules, decideRules, ruleChange } from '../support/decide-rules.js';
import { dataOf, EngineCluster, type EngineNode } from '../support/engine-node.js';
import { type Random, seededRandom } from '../support/seeded-random.js';

vi.setConfig({ testTimeout: 120_000 });

const TABLES = ['item', 'cache_a', 'cache_u', 'child'];
const SCHEMA = `CREATE TABLE item(k INTEGER PRIMARY KEY, v); CREATE TABLE cache_a(k TEXT PRIMARY KEY, v);
  CREATE TABLE cache_u(k TEXT PRIMARY KEY, v UNIQUE); CREATE TABLE child(k TEXT PRIMARY KEY, v REFERENCES item(k))`;
const GLOBS = ['*', 'cache_*', 'cache_?', ...TABLES];
const SEEDS = 20;
const STEPS = 80;

type Nodes = [EngineNode, ...EngineNode[]];

function write({ app }: EngineNode, random: Random): void {
  const [table, k, v] = [random.pick(TABLES), random.int(6), random.int(9)];
  if (random.chance(0.3)) app.prepare(`DELETE FROM ${table} WHERE k = ?`).run(String(k));
  else app.prepare(`REPLACE INTO ${table}(k, v) VALUES(?, ?)`).run(table === 'item' ? k : String(k), v);
}

/** A node asks for a change; whoever is not told hears of it later. */
function change(nodes: Nodes, random: Random): void {
  const coordinator = random.pick(nodes);
  const others = nodes.filter((node) => node !== coordinator);
  const asked = ruleChange(coordinator, [{ ...undecided(random.pick(GLOBS)), included: random.chance(0.5) }]);
  const before = nodes.map((node) => capturedIn(node));
  if (attempt(() => decideRules(coordinator, others, asked)) !== null) return;
  while (coordinator.replica.fold().more);
  const left = TABLES.filter(
    (table) => before.every((tables) => tables.has(table)) && !capturedIn(coordinator).has(table),
  );
  // All that was written to them had reached everybody.
  for (const table of left)
    for (const { app } of others) expect(dataOf(app)[table]).toEqual(dataOf(coordinator.app)[table]);
  for (const { replica } of others) if (random.chance(0.6)) replica.rules.commit(asked.id, coordinator.name);
}

const capturedIn = ({ app }: EngineNode) => new Set(inspectCapture(app).tables.map(({ name }) => name));

/** What a member refuses is no failure of the history. */
function attempt(work: () => string | null): string | null {
  try {
    return work();
  } catch (error) {
    if (error instanceof SqlsyncError) return error.code;
    throw error;
  }
}

function meet(to: EngineNode, from: EngineNode): void {
  if (to.replica.rules.waiting !== null) to.replica.rules.learnFrom(from.hello());
  to.pull(from);
}

function step(nodes: Nodes, random: Random): void {
  const node = random.pick(nodes);
  const action = random.next();
  if (action < 0.4) write(node, random);
  else if (action < 0.75) meet(node, random.pick(nodes.filter((other) => other !== node)));
  else if (action < 0.8) while (node.replica.settle().more);
  else if (action < 0.85) {
    node.kill();
    node.open();
  } else if (action < 0.9)
    for (const to of nodes)
      for (const from of nodes)
        if (to !== from) meet(to, from);
        else change(nodes, random);
}

test.each(Array.from({ length: SEEDS }, (_, seed) => seed))('seed %i', (seed) => {
  const random = seededRandom(seed);
  const cluster = new EngineCluster(SCHEMA, 3);
  try {
    const nodes = cluster.nodes as Nodes;
    for (const { app } of nodes) app.pragma('foreign_keys = OFF');
    for (let i = 0; i < STEPS; i += 1) step(nodes, random);
    for (const to of nodes) for (const from of nodes) if (to !== from) meet(to, from);
    for (let round = 0; round < 2; round += 1) cluster.settleDown();
    expect(
      adoptRules(
        nodes,
        TABLES.map((table) => ({ ...undecided(table), included: true })),
      ),
    ).toBeNull();
    for (let round = 0; round < 2; round += 1) cluster.settleDown();
    for (const node of nodes) {
      expect(dataOf(node.app)).toEqual(dataOf(nodes[0].app));
      expect(inspectCapture(node.app)).toMatchObject({ complete: true, tables: { length: TABLES.length } });
      expect(node.replica.status()).toMatchObject({
        held: { rows: 0 },
        quarantined: 0,
        pendingChanges: 0,
        excludedTables: [],
      });
    }
  } finally {
    cluster.close();
  }
});
