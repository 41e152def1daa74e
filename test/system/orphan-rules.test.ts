/** Three nodes: what becomes of a row whose parent another node deletes is a rule of its table, and alike on all of them. */
import Sqlite from 'better-sqlite3';
import { expect, it, vi } from 'vitest';
import type { RulesReport } from '../../src/operations/list-rules.js';
import type { ConflictPage } from '../../src/operations/read-conflicts.js';
import { untilEqual } from '../support/compare-files.js';
import { until } from '../support/until.js';
import { joinHub, startHub, write } from './start-nodes.js';

vi.setConfig({ testTimeout: 120_000 });

const WAIT_MS_MAX = 30_000;
const RULES = { keep: 'visit', delete: 'draft', 'restore-parent': 'invoice' };
const CHILDREN = Object.values(RULES);

/** A customer for each table of children. */
function makeShop(path: string): void {
  const db = new Sqlite(path);
  db.pragma('journal_mode = wal');
  db.exec('CREATE TABLE customer(id TEXT PRIMARY KEY, name TEXT)');
  for (const table of CHILDREN) {
    db.exec(`CREATE TABLE ${table}(id INTEGER PRIMARY KEY, customer REFERENCES customer(id) ON DELETE CASCADE);
      INSERT INTO customer VALUES('of ${table}', 'Ann')`);
  }
  db.close();
}

function read(path: string, sql: string): unknown[] {
  const db = new Sqlite(path, { readonly: true, timeout: 30_000 });
  try {
    return db.prepare(sql).pluck().all();
  } finally {
    db.close();
  }
}

it('keeps a row without its parent, deletes it, or brings the parent back, as `rules set` has said', async () => {
  const hub = await startHub({}, makeShop);
  const [east, west] = [await joinHub(hub, 'east'), await joinHub(hub, 'west')];
  const nodes = [hub, east, west];
  await east.start();
  await west.start();
  await vi.waitFor(async () => {
    for (const name of ['east', 'west']) expect((await hub.peer(name)).state).toBe('online');
  });
  for (const [rule, table] of Object.entries(RULES)) {
    if (rule !== 'keep') await hub.succeed(['rules', 'set', table, '--orphan', rule]);
  }
  for (const node of nodes) {
    const { items } = (await node.succeed(['rules'])) as RulesReport;
    for (const [rule, table] of Object.entries(RULES))
      expect(items).toContainEqual(expect.objectContaining({ table, orphan: rule }));
  }

  await east.end('SIGTERM');
  write(hub, CHILDREN.map((table) => `INSERT INTO ${table} VALUES(1, 'of ${table}')`).join(';'));
  write(east, 'DELETE FROM customer');
  await east.start();
  await until(
    () =>
      nodes.every(({ path }) => read(path, 'SELECT count(*) FROM _sqlsync_conflict')[0] === CHILDREN.length) || null,
    WAIT_MS_MAX,
    () => 'the three orphans are not recorded everywhere',
  );
  await untilEqual(nodes, WAIT_MS_MAX);
  for (const { path, complaints } of nodes) {
    expect(read(path, 'SELECT customer FROM visit')).toEqual(['of visit']);
    expect(read(path, 'SELECT customer FROM draft')).toEqual([]);
    expect(read(path, 'SELECT customer FROM invoice')).toEqual(['of invoice']);
    expect(read(path, 'SELECT id FROM customer')).toEqual(['of invoice']);
    expect(complaints).toEqual([]);
  }
  const lists = await Promise.all(nodes.map((node) => node.succeed(['conflicts', '--kind', 'orphan'])));
  for (const list of lists) expect(list).toEqual(lists[0]);
  const tables = (lists[0] as ConflictPage).items.map(({ table }) => table);
  expect(tables.sort()).toEqual([...CHILDREN].sort());
});
