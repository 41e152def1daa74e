/**
 * Any schema replicates both ways under random writes, and ends equal to the byte and the storage class; and what sqlsync
 * has put into the file goes without a trace. SCHEMA_ZOO_SEEDS=50 tries more.
 */
import Sqlite, { type Database } from 'better-sqlite3';
import { afterEach, expect, test } from 'vitest';
import { inspectCapture } from '../../src/replication/inspect-capture.js';
import { uninstallCapture } from '../../src/replication/uninstall-capture.js';
import { differencesBetween, readContents } from '../support/compare-files.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';
import { writeAtRandom, writeTargets } from '../support/random-writes.js';
import { makeSpecimen, SPECIMENS, type Specimen } from '../support/schema-zoo.js';
import { seededRandom } from '../support/seeded-random.js';

const SEEDS = Number(process.env.SCHEMA_ZOO_SEEDS ?? 1);
const ROUNDS = 3;
const STATEMENTS = 25;

let cluster: EngineCluster | null = null;
afterEach(() => {
  cluster?.close();
  cluster = null;
});

/** What a node keeps for itself has to agree with its tables. */
function answers({ app }: EngineNode, checks: readonly string[]): unknown[] {
  return checks.map((sql) => {
    const statement = app.prepare(sql);
    return statement.reader ? statement.raw().all() : statement.run().changes >= 0;
  });
}

/** Two nodes that have lived with the schema for a while, and are found to be equal. */
function livedPair(specimen: Specimen, seed: number): [EngineNode, EngineNode] {
  const { pragmas = [], journalMode = 'wal', checks = [], functions = [], foreignKeys = true } = specimen;
  cluster = new EngineCluster((db) => makeSpecimen(db, specimen), 2, { pragmas, journalMode });
  const [a, b] = cluster.nodes as [EngineNode, EngineNode];
  const random = seededRandom(seed);
  for (const name of functions) b.app.function(name, { varargs: true }, () => null);
  const targets = writeTargets(a.app, specimen);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { app } of cluster.nodes) {
      app.pragma(`foreign_keys = ${foreignKeys ? 'ON' : 'OFF'}`);
      app.pragma(`recursive_triggers = ${specimen.recursiveTriggers || random.chance(0.5) ? 'ON' : 'OFF'}`);
      writeAtRandom(app, targets, STATEMENTS, random);
    }
    cluster.settleDown();
    const files = [a, b].map(({ path }) => readContents(path));
    expect(differencesBetween(['a', 'b'], files)).toEqual([]);
    expect(answers(a, checks)).toEqual(answers(b, checks));
  }
  for (const node of [a, b]) {
    const { quarantined, held, gap, withoutIdentity } = node.replica.status();
    expect({ quarantined, rows: held.rows, gap, withoutIdentity }).toEqual({
      quarantined: 0,
      rows: 0,
      gap: null,
      withoutIdentity: [],
    });
    expect(inspectCapture(node.app).complete).toBe(true);
    expect(node.app.pragma('integrity_check', { simple: true })).toBe('ok');
  }
  return [a, b];
}

/** The schema as its text has it, in the file's order. */
function schemaOf(db: Database): unknown[] {
  return db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid').all();
}

test.each(Object.entries(SPECIMENS))('%s', (_, specimen) => {
  const untouched = new Sqlite(':memory:');
  makeSpecimen(untouched, specimen);
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const [node] = livedPair(specimen, seed);
    node.kill();
    uninstallCapture(node.app);
    expect(schemaOf(node.app)).toEqual(schemaOf(untouched));
    cluster?.close();
    cluster = null;
  }
});
