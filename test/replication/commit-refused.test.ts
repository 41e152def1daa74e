/**
 * In rollback-journal mode a commit can be refused, and the file be somebody else's before anything of it can be read
 * again. What the node says and remembers of itself is then what is in the file, not what it was about to write.
 */
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Replica } from '../../src/replication/replica.js';
import { EngineCluster, type EngineNode, stageOf, TEST_LIMITS } from '../support/engine-node.js';
import { seededRandom } from '../support/seeded-random.js';

const SCHEMA = 'CREATE TABLE t(id INTEGER PRIMARY KEY, x)';

/** The node's engine on connections that wait for nobody, and one whose next commit another program gets ahead of. */
function openCrowded(node: EngineNode): { replica: Replica; crowdOut: () => Database } {
  node.kill();
  const [writer, reader, install, other] = Array.from({ length: 4 }, () => {
    const db = new SqliteDatabase(node.path, { timeout: 0 });
    onTestFinished(() => void db.close());
    return db;
  }) as [Database, Database, Database, Database];
  const { int } = seededRandom(1);
  const random = { hex: (bytes: number) => Buffer.from(Array.from({ length: bytes }, () => int(256))).toString('hex') };
  const clock = { nowMs: () => Date.now() };
  const replica = Replica.open({ writer, reader, install, clock, random, limits: TEST_LIMITS });
  const exec = writer.exec.bind(writer);
  const crowdOut = () => {
    writer.exec = (sql) => {
      if (sql !== 'COMMIT') return exec(sql);
      writer.exec = exec;
      exec('ROLLBACK');
      other.exec('BEGIN EXCLUSIVE');
      throw new SqliteDatabase.SqliteError('database is locked', 'SQLITE_BUSY');
    };
    return other;
  };
  return { replica, crowdOut };
}

function pair(): { here: EngineNode; there: EngineNode } {
  const cluster = new EngineCluster(SCHEMA, 2, { journalMode: 'delete' });
  onTestFinished(() => cluster.close());
  const [here, there] = cluster.nodes as [EngineNode, EngineNode];
  here.pull(there);
  there.pull(here);
  return { here, there };
}

describe('a commit that is refused', () => {
  it('of a fold leaves nothing behind in memory, and the writes to be folded', () => {
    const { here, there } = pair();
    const { replica, crowdOut } = openCrowded(here);
    here.app.exec("INSERT INTO t VALUES (1, 'not to be lost')");
    const before = replica.hello('test').vector;
    const other = crowdOut();
    expect(() => replica.fold()).toThrow('database is locked');
    other.exec('COMMIT');
    expect(replica.hello('test').vector).toEqual(before);
    expect(replica.fold()).toEqual({ entries: 1, more: false });

    here.replica = replica;
    expect(there.pull(here)).toBe(1);
    expect(there.data()).toEqual(here.data());
  });

  it('of a batch leaves nothing behind in memory, and the batch to be applied', () => {
    const { here, there } = pair();
    const { replica, crowdOut } = openCrowded(here);
    there.app.exec("INSERT INTO t VALUES (2, 'not to be lost either')");
    there.foldAll();
    const before = replica.hello('test');
    const application = replica.beginApply(stageOf(there, before));
    const other = crowdOut();
    expect(() => application.step()).toThrow('database is locked');
    other.exec('COMMIT');
    const { vector, cursors } = replica.hello('test');
    expect({ vector, cursors }).toEqual({ vector: before.vector, cursors: before.cursors });
    expect(application.step()).toEqual({ done: true, rows: 1 });
    expect(here.data()).toEqual(there.data());
  });
});
