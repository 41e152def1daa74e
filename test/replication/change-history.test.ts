import { expect, onTestFinished, test } from 'vitest';
import { ChangeFollower } from '../../src/operations/change-follower.js';
import { ChangeHistory, type ChangePlace } from '../../src/replication/change-history.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SCHEMA = `CREATE TABLE product(sku TEXT PRIMARY KEY NOT NULL, name TEXT, stock INTEGER);
  CREATE TABLE line(nr INTEGER, product TEXT, amount, PRIMARY KEY(nr, product)) WITHOUT ROWID`;

const NO_FILTER = { tables: null, key: null, sinceHlc: 0 };
const START: ChangePlace = { hlc: 0, arrival: 0 };

function pair(): [EngineNode, EngineNode] {
  const cluster = new EngineCluster(SCHEMA, 2);
  onTestFinished(() => cluster.close());
  return cluster.nodes as [EngineNode, EngineNode];
}

/** All that follows a place, in batches of so many. */
function follow(
  node: EngineNode,
  from = START,
  batch = 100,
  filter: ConstructorParameters<typeof ChangeHistory>[1] = NO_FILTER,
) {
  const history = new ChangeHistory(node.app, filter);
  const changes = [];
  let place = from;
  for (let more = true; more; ) {
    const read = history.after(place, batch);
    changes.push(...read.changes);
    ({ place, more } = read);
  }
  return { changes, place };
}

const brief = ({ table, key, op, columns, node }: ReturnType<typeof follow>['changes'][number]) =>
  `${node} ${op} ${table} ${JSON.stringify(Object.values(key))}${columns === null ? '' : ` ${columns}`}`;

test('own writes are told one by one, folded or not; what REPLACE leaves alone is no change', () => {
  const [node] = pair();
  node.app.exec(`INSERT INTO product VALUES('tea', 'Assam', 4)`);
  node.foldAll();
  node.app.exec(`UPDATE product SET stock = 5, name = 'Darjeeling'; UPDATE product SET stock = 6;
    REPLACE INTO product VALUES('tea', 'Ceylon', 1); INSERT INTO line VALUES(1, 'tea', 2); DELETE FROM product`);
  expect(follow(node).changes.map(brief)).toEqual([
    'n0 insert product ["tea"]',
    'n0 update product ["tea"] name,stock',
    'n0 update product ["tea"] stock',
    'n0 insert product ["tea"]',
    'n0 insert line [1,"tea"]',
    'n0 delete product ["tea"]',
  ]);
});

test('of another node the newest write of each row is told, and where it was written', () => {
  const [west, east] = pair();
  west.app.exec(
    `INSERT INTO product VALUES('tea', 'Assam', 4), ('rice', 'Basmati', 1); UPDATE product SET stock = 9 WHERE sku = 'tea'`,
  );
  east.pull(west);
  const { changes, place } = follow(east);
  expect(changes.map(brief).sort()).toEqual(['n0 insert product ["rice"]', 'n0 update product ["tea"] stock']);
  west.pull(east);
  west.app.exec(`DELETE FROM product WHERE sku = 'rice'`);
  east.pull(west);
  east.app.exec(`UPDATE product SET name = 'Ceylon'`);
  east.foldAll();
  const next = follow(east, place);
  expect(next.changes.map(brief)).toContain('n1 update product ["tea"] name');
  expect(next.changes.map(brief)).toContain('n0 delete product ["rice"]');
  expect(follow(east, next.place).changes).toEqual([]);
});

test('a row in which another node’s write went into an own one is told of', () => {
  const [west, east] = pair();
  west.app.exec(`INSERT INTO product VALUES('tea', 'Assam', 4)`);
  east.pull(west);
  west.app.exec(`UPDATE product SET stock = 5`);
  east.app.exec(`UPDATE product SET name = 'Ceylon'`);
  east.foldAll();
  const { place } = follow(east);
  east.pull(west);
  expect(east.app.prepare('SELECT stock FROM product').pluck().get()).toBe(5);
  expect(follow(east, place).changes).toHaveLength(1);
});

test('whatever the size of the batches, all is told once and in one order; a list goes the other way', () => {
  const [west, east] = pair();
  for (let i = 0; i < 30; i += 1) {
    west.app.exec(`INSERT INTO product VALUES('w${i}', '', ${i}); INSERT INTO line VALUES(${i}, 'w', 0)`);
    east.app.exec(`INSERT INTO product VALUES('e${i}', '', ${i})`);
    if (i % 7 === 0) east.pull(west);
  }
  east.pull(west);
  const whole = follow(east).changes.map(brief);
  expect(whole).toHaveLength(90);
  for (const batch of [1, 3, 50])
    expect(follow(east, START, batch).changes.map(brief).sort()).toEqual([...whole].sort());
  const history = new ChangeHistory(east.app, NO_FILTER);
  const listed = [];
  for (let place: ChangePlace | null = null, more = true; more; ) {
    const page = history.before(place, 7);
    listed.push(...page.changes);
    ({ place, more } = page);
  }
  expect(listed.map(brief).sort()).toEqual([...whole].sort());
  expect(history.count()).toBe(90);
  expect(listed[0]?.hlc).toBeGreaterThan(listed.at(-1)?.hlc as number);
});

test('tables, a key and a time narrow it down', () => {
  const [west, east] = pair();
  west.app.exec(`INSERT INTO product VALUES('tea', '', 1), ('rice', '', 1); INSERT INTO line VALUES(1, 'tea', 1)`);
  east.pull(west);
  east.app.exec(`UPDATE product SET stock = 2; UPDATE line SET amount = 2`);
  const { changes } = follow(east);
  const last = Math.max(...changes.map(({ hlc }) => hlc));
  const tables = new Set(['product']);
  expect(follow(east, START, 100, { ...NO_FILTER, tables }).changes).toHaveLength(4);
  expect(follow(east, START, 100, { ...NO_FILTER, tables, key: ['tea'] }).changes.map(brief)).toEqual([
    'n1 update product ["tea"] stock',
    'n0 insert product ["tea"]',
  ]);
  expect(follow(east, START, 100, { ...NO_FILTER, sinceHlc: last }).changes).toHaveLength(1);
});

test('keys come as they are: text that is not UTF-8, blobs, large integers', () => {
  const [node] = pair();
  node.app.exec(`INSERT INTO product VALUES(CAST(x'ff41' AS TEXT), '', 1); INSERT INTO line VALUES(9007199254740993, x'00', 1);
    UPDATE product SET stock = 2; REPLACE INTO product VALUES(CAST(x'ff41' AS TEXT), '', 3)`);
  const { changes } = follow(node);
  expect(changes[0]?.key).toEqual({ sku: { $text: '/0E=' } });
  expect(changes[1]?.key).toEqual({ nr: { $int: '9007199254740993' }, product: { $blob: 'AA==' } });
});

/** Follows as programs do; what is told comes back as words. */
function follower(node: EngineNode, from: string | null) {
  const following = new ChangeFollower(node.app, 'shop', { tables: [], key: undefined, sinceMs: undefined }, from);
  return () => following.next().map((event) => ({ type: event.type, cursor: event.cursor }));
}

const types = (events: readonly { type: string }[]) => events.map(({ type }) => type);

test('who comes back after something was forgotten is told so; after nothing was, not', () => {
  const [west, east] = pair();
  const next = follower(east, null);
  const [ready] = next();
  west.app.exec(`INSERT INTO product VALUES('tea', 'Assam', 4)`);
  east.pull(west);
  east.app.exec(`INSERT INTO line VALUES(1, 'tea', 1)`);
  east.foldAll();
  const read = next();
  expect(types(read)).toEqual(['change', 'change']);
  for (let i = 0; i < 3; i += 1) {
    west.pull(east);
    east.pull(west);
    while (east.replica.settle().more);
  }
  expect(east.app.prepare('SELECT count(*) FROM _sqlsync_meta_10').pluck().get()).toBe(0);
  expect(types(next())).toEqual([]);
  expect(types(follower(east, read.at(-1)?.cursor as string)())).toEqual(['ready']);
  expect(types(follower(east, ready?.cursor as string)())).toEqual(['ready', 'missed', 'change']);
  expect(types(follower(east, '1')())).toEqual(['ready', 'missed', 'change']);
});

test('what was missed is told once, however many batches what is left takes', () => {
  const [west, east] = pair();
  const [ready] = follower(east, null)();
  west.app.exec(`INSERT INTO product VALUES('tea', 'Assam', 4)`);
  east.pull(west);
  for (let i = 0; i < 3; i += 1) {
    west.pull(east);
    east.pull(west);
    while (east.replica.settle().more);
  }
  east.app.exec(
    `WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 1200) INSERT INTO line SELECT i, 'tea', 1 FROM n`,
  );
  east.foldAll();
  const next = follower(east, ready?.cursor as string);
  const told = [...next(), ...next(), ...next(), ...next()];
  expect(types(told).filter((type) => type === 'missed')).toHaveLength(1);
  expect(types(told).filter((type) => type === 'change')).toHaveLength(1200);
});

test('own entries that the log keeps no more are told as missed', () => {
  const [node] = pair();
  const [ready] = follower(node, null)();
  node.app.exec(
    `INSERT INTO product VALUES('tea', 'Assam', 4); UPDATE product SET stock = 1; UPDATE product SET stock = 2`,
  );
  node.foldAll();
  node.replica.pruneLog(Number.MAX_SAFE_INTEGER);
  expect(types(follower(node, ready?.cursor as string)())).toContain('missed');
});

test('a cursor of another file, or of this one in a later state, is told as missed', () => {
  const [west, east] = pair();
  west.app.exec(`INSERT INTO product VALUES('tea', 'Assam', 4)`);
  west.foldAll();
  const [ready] = follower(west, null)();
  expect(types(follower(east, ready?.cursor as string)())).toEqual(['ready', 'missed']);
  const [hlc, arrival, tag] = String(ready?.cursor).split('.');
  expect(types(follower(west, `${Number(hlc) + 1}.${arrival}.${tag}`)())).toEqual(['ready', 'missed']);
  expect(types(follower(west, ready?.cursor as string)())).toEqual(['ready']);
  for (const wrong of ['', 'x', '1.2', '1.2.zz', '99999999999999999'])
    expect(() => follower(west, wrong)).toThrow(expect.objectContaining({ code: 'usage' }));
});
