/** What the histories of members write, and what they look at. */
import type { Database } from 'better-sqlite3';
import { unpackRow } from '../../src/replication/packed-row.js';
import { holdSame, type Standing, standingOf } from '../../src/replication/staleness.js';
import { nodeOf } from '../../src/replication/version-vector.js';
import type { EngineNode } from './engine-node.js';
import type { Random } from './seeded-random.js';

/** A transaction as an application might write it, with values that never were before. */
export function writeSome(app: Database, random: Random, value: () => string, ofSpans: boolean): void {
  app.exec('BEGIN');
  for (let n = 1 + random.int(3); n > 0; n -= 1) writeSomething(app, random, value, ofSpans);
  app.exec('COMMIT');
}

function writeSomething(app: Database, random: Random, value: () => string, ofSpans: boolean): void {
  if (ofSpans && random.chance(0.5)) {
    writeSpan(app, random, value);
    return;
  }
  const key = `k${random.int(4)}`;
  const spelled = random.chance(0.3) ? key.toUpperCase() : key;
  const id = 1 + random.int(4);
  const unique = `u${random.int(4)}`;
  const statements: [string, unknown[]][] = [
    ['INSERT OR IGNORE INTO item(k, a, b, u) VALUES(?, ?, ?, ?)', [key, value(), value(), unique]],
    ['INSERT OR REPLACE INTO item(k, a, b, u) VALUES(?, ?, ?, ?)', [key, value(), value(), unique]],
    ['UPDATE item SET a = ? WHERE k = ?', [value(), key]],
    ['UPDATE item SET b = ? WHERE k = ?', [value(), key]],
    ['UPDATE OR IGNORE item SET u = ?, a = ? WHERE k = ?', [unique, value(), key]],
    ['UPDATE OR REPLACE item SET u = ? WHERE k = ?', [unique, key]],
    ['UPDATE OR REPLACE item SET k = ? WHERE k = ?', [`k${random.int(4)}`, key]],
    ['DELETE FROM item WHERE k = ?', [key]],
    ['INSERT OR REPLACE INTO counter VALUES(?, ?, ?)', [id, unique, value()]],
    ['UPDATE counter SET n = ? WHERE id = ?', [value(), id]],
    ['DELETE FROM counter WHERE id >= ?', [id]],
    ['INSERT OR REPLACE INTO pair VALUES(?, ?, ?)', [spelled, random.int(2), value()]],
    // Each of the rows its own value.
    ["UPDATE pair SET v = ? || y || '.' WHERE x = ?", [value(), spelled]],
    ['DELETE FROM pair WHERE x = ?', [spelled]],
  ];
  if (hasMigrated(app)) statements.push(['UPDATE item SET late = ? WHERE k = ?', [value(), key]]);
  const [sql, parameters] = random.pick(statements);
  app.prepare(sql).run(...parameters);
}

/** Each is within the CHECK; what two nodes write may be beyond it together. */
function writeSpan(app: Database, random: Random, value: () => string): void {
  const key = `k${random.int(2)}`;
  const statements: [string, unknown[]][] = [
    ['UPDATE OR IGNORE span SET lo = ?', [random.int(12)]],
    ['UPDATE OR IGNORE span SET hi = ?', [random.int(12)]],
    ['INSERT OR IGNORE INTO span VALUES(?, ?, 10, ?)', [key, random.int(5), value()]],
    ['UPDATE OR IGNORE span SET lo = ? WHERE k = ?', [random.int(12), key]],
    ['UPDATE OR IGNORE span SET hi = ? WHERE k = ?', [random.int(12), key]],
    ['UPDATE OR IGNORE span SET hi = ?, note = ? WHERE k = ?', [random.int(12), value(), key]],
    ['DELETE FROM span WHERE k = ?', [key]],
  ];
  const [sql, parameters] = random.pick(statements);
  app.prepare(sql).run(...parameters);
}

function hasMigrated(app: Database): boolean {
  return app.prepare("SELECT 1 FROM pragma_table_info('item') WHERE name = 'late'").get() !== undefined;
}

/** The application's migration, unless it has run. */
export function migrate({ app }: EngineNode): void {
  if (!hasMigrated(app)) app.exec('ALTER TABLE item ADD COLUMN late');
}

/** Versions that a node could not write, and rows that wait for its migration. */
export function keptAside({ app }: EngineNode): number {
  const sql = 'SELECT (SELECT count(*) FROM _sqlsync_quarantine) + (SELECT count(*) FROM _sqlsync_held)';
  return app.prepare(sql).pluck().get() as number;
}

/** Does `other` belong, in the eyes of `node`? */
export function belongs(node: EngineNode, other: EngineNode): boolean {
  const removed = node.app
    .prepare('SELECT removed FROM _sqlsync_member WHERE node_id = ?')
    .pluck()
    .get(other.replica.nodeId);
  return removed === null;
}

export function endPresentMembership(node: EngineNode, name: string): void {
  const present = node.replica.status().memberships.filter((member) => member.name === name && !member.removedAtMs);
  for (const { nodeId } of present) node.endMembership(nodeId);
  node.foldAll();
}

/** Sessions that the node's vector names, but for those of nodes that are no more. */
export function sessionsOf(node: EngineNode, nodes: readonly EngineNode[]): number {
  const names = new Set(nodes.map(({ name }) => name));
  return Object.keys(node.hello().vector).filter((session) => names.has(nodeOf(session))).length;
}

export function ownRows({ app }: EngineNode): string {
  return JSON.stringify(app.prepare('SELECT rowid, n FROM own').raw().all());
}

export function replicated(node: EngineNode): string {
  const { own: _, ...data } = node.data();
  return JSON.stringify(data);
}

export function metadataRows(db: Database): number {
  const tables = db
    .prepare(`SELECT name FROM sqlite_schema WHERE name GLOB '_sqlsync_meta_*' AND type = 'table'`)
    .pluck()
    .all() as string[];
  return tables.reduce((sum, name) => sum + (db.prepare(`SELECT count(*) FROM ${name}`).pluck().get() as number), 0);
}

export function valuesIn(db: Database): Set<string> {
  const rows = [
    ...(db
      .prepare(`SELECT a, b${hasMigrated(db) ? ', late' : ''} FROM item`)
      .raw()
      .all() as string[][]),
    ...(db.prepare('SELECT note FROM span').raw().all() as string[][]),
    ...(db.prepare('SELECT n FROM counter').raw().all() as string[][]),
    ...(db.prepare('SELECT v FROM pair').raw().all() as string[][]),
  ];
  return new Set(rows.flat().filter((value) => value !== null));
}

/** Values in conflict records. */
export function recordedValues(db: Database): Set<string> {
  const records = db.prepare('SELECT winner, loser FROM _sqlsync_conflict').raw().all();
  return new Set(JSON.stringify(records).match(/\bv\d+\.(\d\.)?/g) ?? []);
}

/** Every value that a node has in its tables, in a record, or aside. */
export function heldBy({ app }: EngineNode): string[] {
  return [...valuesIn(app), ...recordedValues(app), ...valuesAside(app)];
}

function valuesAside(db: Database): string[] {
  const sql = 'SELECT version FROM _sqlsync_quarantine UNION ALL SELECT version FROM _sqlsync_held';
  const versions = db.prepare<[], Buffer>(sql).pluck().all();
  return versions.flatMap((version) => unpackRow(version).row.image ?? []).filter((value) => isValue(value));
}

const isValue = (value: unknown): value is string => typeof value === 'string' && /^v\d+\./.test(value);

/** Nodes that hold the same vector, and keep nothing aside, hold the same data. */
export function checkEqualStandings(nodes: readonly EngineNode[]): void {
  const seen = nodes.map((node) => ({
    node,
    standing: standingOf(node.hello()) as Standing,
    schemaHash: node.hello().schemaHash,
    isWhole: !node.replica.hasUnfolded() && !node.replica.isCatchingUp && keptAside(node) === 0,
  }));
  for (const [i, x] of seen.entries()) {
    for (const y of seen.slice(0, i)) {
      if (!x.isWhole || !y.isWhole || !holdSame(x.standing, y.standing)) continue;
      if (x.schemaHash !== y.schemaHash || x.node.refusalBetween(y.node) !== null) continue;
      const [a, b] = [replicated(x.node), replicated(y.node)];
      if (a !== b) throw new Error(`equal vectors, different data: ${x.node.name} ${y.node.name}\n${a}\n${b}`);
    }
  }
}

/** What to print when nodes are not as they should be. */
export function describeNodes(nodes: readonly EngineNode[]): string {
  const lines = nodes.map((node) => {
    const { vector, horizon, dropped, folded, acknowledged } = node.hello();
    const members = node.app.prepare('SELECT name, node_id, removed FROM _sqlsync_member').raw().all();
    const { name, replica } = node;
    const refusals = nodes.map((other) => (other === node ? null : (node.refusalBetween(other)?.message ?? null)));
    const { catchUp } = replica;
    const kept = keptAside(node);
    return JSON.stringify({
      name,
      id: replica.nodeId,
      refusals,
      catchUp,
      kept,
      members,
      vector,
      horizon,
      dropped,
      folded,
      acknowledged,
    });
  });
  return lines.join('\n');
}
