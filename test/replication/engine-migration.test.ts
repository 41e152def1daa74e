/** Random migrations on one node of two, with writers of its own and of the other's: both end equal, nothing is missing. */
import { expect, onTestFinished, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';
import { MigrationSteps } from '../support/migrating-node.js';
import { type Random, seededRandom } from '../support/seeded-random.js';

const SEEDS = 25;
const SCHEMA = `CREATE TABLE item(id TEXT PRIMARY KEY NOT NULL, a, b INTEGER, c TEXT);
  CREATE TABLE pair(x INTEGER NOT NULL, y TEXT NOT NULL COLLATE NOCASE, v, PRIMARY KEY(x, y)) WITHOUT ROWID`;

/** What a migration does to the schema, the same on both nodes; the rows are each node's own. */
const SCHEMA_CHANGES = [
  'ALTER TABLE item ADD COLUMN d INTEGER DEFAULT 7',
  'ALTER TABLE item RENAME COLUMN b TO b2',
  'ALTER TABLE item DROP COLUMN c',
  'ALTER TABLE item RENAME COLUMN a TO z; ALTER TABLE item DROP COLUMN z',
  'CREATE TABLE n(id TEXT PRIMARY KEY NOT NULL, b INTEGER, a, c TEXT, e DEFAULT 1); INSERT INTO n(id, a, b, c) SELECT id, a, b, c FROM item; DROP TABLE item; ALTER TABLE n RENAME TO item',
  'ALTER TABLE pair RENAME TO old; CREATE TABLE pair(x INTEGER NOT NULL, y TEXT NOT NULL COLLATE NOCASE, v, w, PRIMARY KEY(x, y)); INSERT INTO pair(x, y, v) SELECT * FROM old; DROP TABLE old',
] as const;

function write(node: EngineNode, random: Random, count: number): void {
  for (let i = 0; i < count; i += 1) {
    const id = `'r${random.int(12)}'`;
    const [x, y] = [random.int(4), `'${random.pick(['k', 'K', 'l'])}'`];
    const value = random.pick(['1', '1.0', "'1'", 'NULL', "x'31'", `${random.int(99)}`]);
    node.app.exec(
      random.pick([
        `INSERT OR REPLACE INTO item(id) VALUES(${id})`,
        `UPDATE item SET id = id || '' WHERE id = ${id}`,
        `DELETE FROM item WHERE id = ${id}`,
        `INSERT OR REPLACE INTO pair(x, y, v) VALUES(${x}, ${y}, ${value})`,
        `UPDATE pair SET v = ${value} WHERE x = ${x}`,
        `UPDATE OR IGNORE pair SET y = ${y} WHERE x = ${x}`,
        `DELETE FROM pair WHERE x = ${x} AND y = ${y}`,
      ]),
    );
  }
  const columns = node.app.prepare("SELECT name FROM pragma_table_info('item') WHERE pk = 0").pluck().all() as string[];
  for (const column of columns) {
    if (random.chance(0.5))
      node.app.exec(`UPDATE item SET "${column}" = ${random.int(50)} WHERE id = 'r${random.int(12)}'`);
  }
}

function migrate(node: EngineNode, change: string, random: Random): void {
  node.foldAll();
  const steps = new MigrationSteps(node.path);
  steps.lift();
  write(node, random, random.int(4));
  node.app.exec(change);
  write(node, random, random.int(8));
  const end = steps.putBack();
  if (end === null) throw new Error('the watch was over before its time');
  write(node, random, random.int(4));
  steps.enter(end);
  steps.end();
  node.foldAll();
}

test.each(Array.from({ length: SEEDS }, (_, seed) => seed))('seed %i', (seed) => {
  const random = seededRandom(seed);
  const journalMode = random.pick(['wal', 'delete']);
  const cluster = new EngineCluster(SCHEMA, 2, { journalMode });
  onTestFinished(() => cluster.close());
  const [here, there] = cluster.nodes as [EngineNode, EngineNode];
  write(here, random, 20);
  cluster.settleDown();
  for (let round = 0; round < 2; round += 1) {
    write(here, random, 3);
    write(there, random, 3);
    if (random.chance(0.3)) cluster.settleDown();
    const change = random.pick(SCHEMA_CHANGES);
    try {
      here.app.exec(`SAVEPOINT trial; ${change}; ROLLBACK TO trial; RELEASE trial`);
    } catch {
      here.app.exec('ROLLBACK TO trial; RELEASE trial');
      continue;
    }
    migrate(here, change, random);
    if (random.chance(0.5)) cluster.settleDown();
    migrate(there, change, random);
    for (const node of cluster.nodes) expect(node.replica.status().gap).toBeNull();
    cluster.settleDown();
    expect(there.data()).toEqual(here.data());
    for (const node of cluster.nodes) expect(node.replica.status().held.rows).toBe(0);
  }
});
