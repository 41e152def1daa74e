/** Three nodes, apart, then together: every node has the same conflicts, whoever decides closes them for all. */
import Sqlite from 'better-sqlite3';
import { expect, it, vi } from 'vitest';
import type { ResolveReport } from '../../src/operations/conflict-report.js';
import type { ConflictPage } from '../../src/operations/read-conflicts.js';
import { ConflictInbox } from '../../src/replication/conflict-inbox.js';
import type { ConflictState } from '../../src/replication/conflict-state.js';
import type { RecordedConflict } from '../../src/replication/recorded-conflict.js';
import { readContents, untilEqual, withReader } from '../support/compare-files.js';
import type { ProcessNode } from '../support/process-node.js';
import { until } from '../support/until.js';
import { joinHub, startHub, write } from './start-nodes.js';

vi.setConfig({ testTimeout: 120_000 });

const WAIT_MS_MAX = 30_000;
const KINDS = ['insert-insert', 'key-collision', 'orphan', 'unique', 'update-delete', 'update-update'];

function makeShop(path: string): void {
  const db = new Sqlite(path);
  db.pragma('journal_mode = wal');
  db.exec(`CREATE TABLE product(sku TEXT PRIMARY KEY, name TEXT, price REAL);
    CREATE TABLE ticket(id INTEGER PRIMARY KEY, what TEXT);
    CREATE TABLE account(id TEXT PRIMARY KEY, mail TEXT UNIQUE);
    CREATE TABLE visit(id TEXT PRIMARY KEY, ticket REFERENCES ticket(id) ON DELETE CASCADE);
    INSERT INTO product VALUES('tea', 'Assam', 4.2), ('cocoa', 'Cocoa', 5.1);
    INSERT INTO ticket VALUES(7, 'of both');`);
  db.close();
}

/** Waits until all list the same, in this state, and returns the list. */
async function untilAgreed(nodes: readonly ProcessNode[], state: ConflictState): Promise<readonly RecordedConflict[]> {
  let lists: RecordedConflict[][] = [];
  return until(
    () => {
      lists = nodes.map(({ path }) => withReader(path, (db) => new ConflictInbox(db).page({}, null, 100)));
      const [first = [], ...others] = lists;
      const isAgreed = others.every((list) => JSON.stringify(list) === JSON.stringify(first));
      return isAgreed && first.length === KINDS.length && first.every((one) => one.state === state) ? first : null;
    },
    WAIT_MS_MAX,
    () => `lists differ: ${JSON.stringify(lists, null, 1)}`,
  );
}

it('lists one conflict of each kind alike, closes them from the third node and opens them from the first', async () => {
  const hub = await startHub({}, makeShop);
  // Alone it needs nobody, and whoever joins goes by it.
  await hub.succeed(['rules', 'set', 'visit', '--orphan', 'delete']);
  const [east, west] = [await joinHub(hub, 'east'), await joinHub(hub, 'west')];
  const nodes = [hub, east, west];
  write(
    hub,
    `UPDATE product SET price = 4.5 WHERE sku = 'tea'; UPDATE product SET price = 5.5 WHERE sku = 'cocoa';
     INSERT INTO product VALUES('coffee', 'Yirgacheffe', 9.5); INSERT INTO ticket VALUES(1, 'from hub');
     INSERT INTO account VALUES('a', 'ann@example'); INSERT INTO visit VALUES('v', 7)`,
  );
  write(
    east,
    `UPDATE product SET price = 4.9 WHERE sku = 'tea'; DELETE FROM product WHERE sku = 'cocoa';
     INSERT INTO product VALUES('coffee', 'Sidamo', 9.9); INSERT INTO ticket VALUES(1, 'from east');
     INSERT INTO account VALUES('b', 'ann@example'); DELETE FROM ticket WHERE id = 7`,
  );
  await east.start();
  await west.start();
  const found = await untilAgreed(nodes, 'auto');
  expect(found.map(({ kind }) => kind).sort()).toEqual(KINDS);
  const lists = await Promise.all([hub, west].map((node) => node.succeed(['conflicts'])));
  expect(lists[1]).toEqual(lists[0]);
  expect((lists[0] as ConflictPage).items.map(({ id }) => id)).toEqual(found.map(({ id }) => id));
  await untilEqual(nodes, WAIT_MS_MAX);
  const settled = readContents(hub.path);

  // The child cannot come back as it was: its parent is gone.
  const orphan = found.find(({ kind }) => kind === 'orphan')?.id ?? '';
  const one = (await west.succeed(['conflicts', 'resolve', orphan, '--set', 'ticket=null'])) as ResolveReport;
  const back = { before: null, after: { id: 'v', ticket: null } };
  expect(one.items[0]).toMatchObject({ status: 'resolved', changes: [back] });
  const decided = (await west.succeed(['conflicts', 'resolve', '--all', '--use', 'loser', '--yes'])) as ResolveReport;
  expect(decided).toMatchObject({ resolved: 5, skipped: 0, failed: 0 });
  const closed = await untilAgreed(nodes, 'resolved');
  for (const { id, latest } of closed) {
    expect(latest).toMatchObject({ node: 'west', choice: id === orphan ? 'set' : 'loser' });
  }
  const resolved = await untilEqual(nodes, WAIT_MS_MAX);
  expect(resolved).not.toEqual(settled);
  expect(resolved.get('account')).toEqual([expect.stringContaining('id=text:"b"')]);

  for (const { id } of found) await hub.succeed(['conflicts', 'undo', id]);
  await untilAgreed(nodes, 'auto');
  expect(await untilEqual(nodes, WAIT_MS_MAX)).toEqual(settled);
  for (const { complaints } of nodes) expect(complaints).toEqual([]);
});
