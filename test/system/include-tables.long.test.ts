/** Three daemons change which tables replicate, while applications write. */
import Sqlite from 'better-sqlite3';
import { expect, it, vi } from 'vitest';
import type { InclusionReport } from '../../src/operations/include-tables.js';
import type { RulesReport } from '../../src/operations/list-rules.js';
import { untilEqual } from '../support/compare-files.js';
import type { ProcessNode } from '../support/process-node.js';
import { joinHub, soon, startHub, write } from './start-nodes.js';

vi.setConfig({ testTimeout: 240_000 });

function makeShop(path: string): void {
  const db = new Sqlite(path);
  db.pragma('journal_mode = wal');
  db.exec(`CREATE TABLE item(k TEXT PRIMARY KEY, v); CREATE TABLE cache_a(k TEXT PRIMARY KEY, v);
    CREATE TABLE django_migrations(id INTEGER PRIMARY KEY)`);
  db.close();
}

const rowsOf = ({ path }: ProcessNode, table: string): unknown[] => {
  const db = new Sqlite(path, { readonly: true, timeout: 30_000 });
  try {
    return db.prepare(`SELECT k FROM ${table} ORDER BY k`).pluck().all();
  } finally {
    db.close();
  }
};
const database = async (node: ProcessNode) => (await node.status()).databases[0];

it('leaves a table out on all of them, and takes it in again', async () => {
  const hub = await startHub({}, makeShop);
  const east = await (await joinHub(hub, 'east')).start();
  const west = await (await joinHub(hub, 'west')).start();
  const all = [hub, east, west];
  let written = 0;
  const writing = setInterval(() => {
    written += 1;
    for (const node of all)
      write(
        node,
        `INSERT INTO item VALUES('${node.name} ${written}', 1); INSERT INTO cache_a VALUES('${node.name} ${written}', 1)`,
      );
  }, 100);
  try {
    for (const node of all) write(node, `INSERT INTO cache_a VALUES('${node.name}', 1)`);
    const planned = (await hub.succeed(['rules', 'exclude', 'cache_*', '--dry-run'])) as InclusionReport;
    expect(planned).toMatchObject({ dryRun: true, changed: false, inEffect: false, leftOut: ['cache_a'] });
    const left = (await hub.succeed(['rules', 'exclude', 'cache_*'])) as InclusionReport;
    expect(left).toMatchObject({ changed: true, inEffect: true, leftOut: ['cache_a'], takenIn: [], otherwise: [] });
    expect(left.members).toHaveLength(3);
    for (const node of all) {
      await vi.waitFor(async () => {
        const excludedTables = ['cache_a', 'django_migrations'];
        expect(await database(node)).toMatchObject({ tables: 1, excludedTables, coverage: 'complete', heldRows: 0 });
      }, soon);
      expect(rowsOf(node, 'cache_a')).toEqual(expect.arrayContaining(['east', 'hub', 'west']));
    }
    write(east, `INSERT INTO cache_a VALUES('east alone', 1); DELETE FROM cache_a WHERE k = 'hub'`);
    await west.end('SIGTERM');
    const missing = await east.run(['rules', 'include', 'cache_a', '--json']);
    expect(missing.exitCode).toBe(69);
    await west.start();
    await vi.waitFor(async () => expect((await hub.peer('west')).state).toBe('online'), soon);
    const taken = (await hub.succeed(['rules', 'include', 'cache_a'])) as InclusionReport;
    expect(taken).toMatchObject({ changed: true, takenIn: ['cache_a'], leftOut: [] });
  } finally {
    clearInterval(writing);
  }
  await untilEqual(all, 60_000);
  // What was deleted on one node while the table was left out is back: present beats absent.
  const expected = all.flatMap(({ name }) => Array.from({ length: written }, (_, i) => `${name} ${i + 1}`));
  expect(rowsOf(hub, 'cache_a')).toEqual([...expected, 'east', 'east alone', 'hub', 'west'].sort());
  expect(rowsOf(hub, 'item')).toEqual(expected.sort());
  for (const node of all) {
    const rules = (await node.succeed(['rules'])) as RulesReport;
    expect(rules.inclusion.map(({ glob, included, node: where }) => [glob, included, where])).toEqual([
      ['cache_a', true, 'hub'],
      ['cache_*', false, 'hub'],
    ]);
    expect(await node.status()).toMatchObject({ healthy: true });
    expect((await database(node))?.conflictsOpen).toBe(0);
  }
  const operations = (await west.succeed(['operations'])) as { items: { command: string }[] };
  expect(operations.items.map(({ command }) => command).filter((typed) => typed.includes('rules '))).toHaveLength(2);
});
