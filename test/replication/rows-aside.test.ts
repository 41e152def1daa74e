/** Taking sqlsync out of a file in which rows wait outside their tables. */
import { afterEach, expect, test } from 'vitest';
import { putParkedBack, readRowsAside } from '../../src/replication/rows-aside.js';
import { uninstallCapture } from '../../src/replication/uninstall-capture.js';
import { EngineCluster, type EngineNode, stageOf } from '../support/engine-node.js';

const ROWS = 300;
const NUMBERS = `WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < ${ROWS})`;
const MOVE = (by: number) => `BEGIN; UPDATE seat SET place = -place; UPDATE seat SET place = ${by} - place; COMMIT`;
const SCHEMA = `CREATE TABLE seat(id INTEGER PRIMARY KEY, place UNIQUE); CREATE TABLE audit(id INTEGER PRIMARY KEY, n);
  CREATE TRIGGER on_seat AFTER INSERT ON seat BEGIN INSERT INTO audit(n) VALUES(NEW.id); END`;

let cluster: EngineCluster;
afterEach(() => cluster.close());

/** A node in the middle of a catch-up in which every row takes the value of one that is still in its place. */
function halfApplied(by: number): EngineNode {
  cluster = new EngineCluster(SCHEMA, 2, { limits: { applyTransactionRowsMax: 1, lockHoldMsMax: 0 } });
  const [a, b] = cluster.nodes as [EngineNode, EngineNode];
  a.app.exec(`${NUMBERS} INSERT INTO seat SELECT n, n FROM x`);
  cluster.settleDown();
  a.app.exec(MOVE(by));
  a.foldAll();
  const application = b.replica.beginApply(stageOf(a, b.hello()));
  while (application.step().rows < ROWS / 2);
  b.kill();
  return b;
}

const count = ({ app }: EngineNode, table: string) => app.prepare(`SELECT count(*) FROM ${table}`).pluck().get();

test('a parked row goes back where its value is free, and no trigger of the application fires', () => {
  const b = halfApplied(1);
  const { isCatchingUp, tables } = readRowsAside(b.app);
  const parked = tables[0]?.parked ?? 0;
  expect({ isCatchingUp, table: tables[0]?.table, isParked: parked > 0 }).toEqual({
    isCatchingUp: true,
    table: 'seat',
    isParked: true,
  });
  expect(count(b, 'seat')).toBe(ROWS - parked);
  const audited = count(b, 'audit');
  // The application frees the values that the parked rows wait for.
  b.app.exec('UPDATE seat SET place = place + 10000');
  uninstallCapture(b.app);
  expect(count(b, 'seat')).toBe(ROWS);
  expect(count(b, 'audit')).toBe(audited);
  expect(
    b.app.prepare(`SELECT count(*) FROM sqlite_schema WHERE name LIKE '\\_sqlsync%' ESCAPE '\\'`).pluck().get(),
  ).toBe(0);
  b.app.exec('INSERT INTO seat VALUES(5000, 5000)');
  expect(count(b, 'audit')).toBe((audited as number) + 1);
});

test('a row stays out whose key an application has used since, or whose value another row has', () => {
  const b = halfApplied(1);
  const [waiting] = b.app.prepare(`${NUMBERS} SELECT n FROM x WHERE n NOT IN (SELECT id FROM seat)`).pluck().all();
  b.app.prepare('INSERT INTO seat VALUES(?, 100000)').run(waiting);
  b.app.exec('BEGIN');
  const placed = putParkedBack(b.app).get('seat') ?? 0;
  const parked = readRowsAside(b.app).tables[0]?.parked ?? 0;
  expect(placed).toBeLessThan(parked);
  expect(count(b, 'seat')).toBe(ROWS - parked + 1 + placed);
  expect(b.app.prepare('SELECT place FROM seat WHERE id = ?').pluck().get(waiting)).toBe(100000);
  b.app.exec('ROLLBACK');
});
