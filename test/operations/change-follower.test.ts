/** Who follows the changes of a file under whose tables somebody migrates: it misses nothing, or is told that it did. */
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ChangeFollower } from '../../src/operations/change-follower.js';
import { TestNode } from '../daemon/node.js';
import { makeFolder } from '../support/make-folder.js';

const soon = { interval: 30, timeout: 15_000 };

const QUERY = { tables: [], key: undefined } as unknown as ConstructorParameters<typeof ChangeFollower>[2];

/** What a follower is told, a line each; `next` reads on. */
function follow({ path }: TestNode, from: string | null = null) {
  const db = new Sqlite(path, { readonly: true });
  onTestFinished(() => void db.close());
  const follower = new ChangeFollower(db, 'shop', QUERY, from);
  const told: string[] = [];
  let cursor = '';
  const next = () => {
    do {
      for (const event of follower.next()) {
        cursor = event.cursor;
        told.push(event.type === 'change' ? `${event.table} ${event.op} ${event.key.id} ${event.node}` : event.type);
      }
    } while (follower.isBehind);
    return told;
  };
  return { next, told, cursorOf: () => cursor };
}

async function pair() {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const lyon = await (await TestNode.joining(paris, 'lyon', { peers: [paris.asPeer] })).start();
  const feed = follow(paris);
  expect(feed.next()).toEqual(['ready']);
  paris.insert(1, 'a');
  lyon.insert(2, 'b');
  await vi.waitFor(() => expect(paris.names()).toEqual(['a', 'b']), soon);
  return { paris, lyon, feed, before: feed.cursorOf() };
}

/** Of a write that went past the triggers it is found that it was made, and not always what it was. */
const untilTold = ({ next }: ReturnType<typeof follow>, id: number) =>
  vi.waitFor(() => expect(next().join('\n')).toMatch(new RegExp(`^item (insert|update) ${id} paris$`, 'm')), soon);

const BOTH = ['item insert 1 paris', 'item insert 2 lyon'];

test.each([
  ['renamed', 'ALTER TABLE item RENAME TO thing'],
  ['dropped', 'DROP TABLE item'],
  ['dropped with what was written last', `BEGIN; INSERT INTO item(id) VALUES(3); DROP TABLE item; COMMIT`],
])('a table is %s before its changes were read', async (_what, sql) => {
  const { paris, feed, before } = await pair();
  paris.application.exec(sql);
  expect(feed.next()).toEqual(['ready', 'missed']);
  // Also to whoever comes back only now.
  expect(follow(paris, before).next()).toEqual(['ready', 'missed']);
  expect(feed.next()).toEqual(['ready', 'missed']);
});

test('a table is dropped when all was told: nothing more was missed than it may have held', async () => {
  const { paris, feed } = await pair();
  expect(feed.next()).toEqual(['ready', ...BOTH]);
  paris.application.exec('DROP TABLE item');
  expect(feed.next()).toEqual(['ready', ...BOTH, 'missed']);
});

test('a column more is no break', async () => {
  const { paris, feed } = await pair();
  paris.application.exec('ALTER TABLE item ADD COLUMN more; UPDATE item SET more = 1 WHERE id = 1');
  paris.insert(3, 'c');
  // What was written to the column before it was known is found by comparing.
  const all = [...BOTH, 'item insert 3 paris', 'item update 1 paris'];
  await vi.waitFor(() => expect(feed.next()).toEqual(expect.arrayContaining(all)), soon);
  expect(feed.told).not.toContain('missed');
});

test('a table is made anew in twelve steps: what went past the triggers is told once it is found', async () => {
  const { paris, lyon, feed } = await pair();
  paris.application.exec(`
    BEGIN;
    CREATE TABLE new_item(id INTEGER PRIMARY KEY, name TEXT, data BLOB, CHECK(id < 1000));
    INSERT INTO new_item(id, name, data) SELECT id, name, data FROM item;
    DROP TABLE item;
    ALTER TABLE new_item RENAME TO item;
    COMMIT;
    INSERT INTO item(id, name) VALUES(4, 'right after');
  `);
  expect(feed.next()).toEqual(['ready', ...BOTH]);
  await untilTold(feed, 4);
  paris.insert(5, 'later');
  await vi.waitFor(() => expect(feed.next()).toContain('item insert 5 paris'), soon);
  expect(feed.told).not.toContain('missed');
  await vi.waitFor(() => expect(lyon.names()).toContain('right after'), soon);
});

test('a table is dropped, and another of its name made: both are told of', async () => {
  const { paris, feed } = await pair();
  const { application } = paris;
  application.exec('DROP TABLE item');
  feed.next();
  application.exec(`CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, data BLOB); INSERT INTO item(id) VALUES(7)`);
  await untilTold(feed, 7);
  expect(feed.told).toContain('missed');
});
