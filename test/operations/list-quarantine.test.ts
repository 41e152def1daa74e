/** Which quarantined changes are meant, and how they are listed: page by page, by table, by the beginning of an id. */
import { afterEach, expect, test } from 'vitest';
import { localFiles } from '../../src/daemon/local-files.js';
import {
  chooseQuarantined,
  listQuarantine,
  type QuarantineChoice,
  type QuarantinedChange,
} from '../../src/operations/list-quarantine.js';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

const SCHEMA = `CREATE TABLE span(k TEXT PRIMARY KEY, lo, hi, CHECK(lo <= hi));
  CREATE TABLE pair(x INTEGER, y BLOB, lo, hi, CHECK(lo <= hi), PRIMARY KEY(x, y)) WITHOUT ROWID`;
const deps = { files: localFiles };

let cluster: EngineCluster;
afterEach(() => cluster.close());

/** A node that keeps three changes of one table and one of another. */
function makeDatabase() {
  cluster = new EngineCluster(SCHEMA, 2);
  const [a, b] = cluster.nodes as [EngineNode, EngineNode];
  a.app.exec(`INSERT INTO span VALUES('k1', 0, 10), ('k2', 0, 10), ('k3', 0, 10);
    INSERT INTO pair VALUES(9007199254740993, x'00ff', 0, 10)`);
  cluster.settleDown();
  b.app.exec('UPDATE span SET lo = 8; UPDATE pair SET lo = 8');
  b.foldAll();
  a.app.exec('UPDATE span SET hi = 5; UPDATE pair SET hi = 5');
  b.pull(a);
  return { name: 'shop', path: b.path, identity: 'ask' } as const;
}

const ALL = { ids: [], all: true, table: undefined };
const codeOf = (work: () => unknown) => {
  try {
    return work();
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

test('a list has its pages, and every change once', () => {
  const database = makeDatabase();
  const seen: QuarantinedChange[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < 10; pages += 1) {
    const page = listQuarantine(database, { table: undefined, cursor, limit: 3 }, deps);
    expect(page.total).toBe(4);
    seen.push(...page.items);
    if (page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  expect(seen.map(({ table, key }) => [table, key])).toEqual([
    ['pair', { x: { $int: '9007199254740993' }, y: { $blob: 'AP8=' } }],
    ['span', { k: 'k1' }],
    ['span', { k: 'k2' }],
    ['span', { k: 'k3' }],
  ]);
  expect(seen[1]).toMatchObject({ reason: 'check', error: 'CHECK constraint failed: lo <= hi', node: 'n0' });
  const spans = listQuarantine(database, { table: 'span', cursor: undefined, limit: 10 }, deps);
  expect([spans.total, spans.items]).toEqual([3, seen.slice(1)]);
  for (const bad of ['nonsense', '', Buffer.from('[1,2]').toString('base64url')]) {
    expect(codeOf(() => listQuarantine(database, { table: undefined, cursor: bad, limit: 3 }, deps))).toBe('usage');
  }
});

test('changes are chosen by id, by its beginning, by table or all', () => {
  const database = makeDatabase();
  const choose = (choice: Partial<QuarantineChoice>) =>
    chooseQuarantined(database, { ids: [], all: false, table: undefined, ...choice }, deps);
  const all = chooseQuarantined(database, ALL, deps);
  expect(all).toHaveLength(4);
  expect(chooseQuarantined(database, { ...ALL, table: 'span' }, deps)).toEqual(all.slice(1));
  const [first, second] = all as [QuarantinedChange, QuarantinedChange];
  expect(choose({ ids: [second.id, first.id.slice(0, 8), second.id] })).toEqual([second, first]);

  const refused: readonly [Partial<QuarantineChoice>, string][] = [
    [{}, 'usage'],
    [{ ids: [first.id], all: true }, 'usage'],
    [{ ids: [first.id], table: 'span' }, 'usage'],
    [{ ids: ['no-id'] }, 'usage'],
    [{ ids: [first.id.slice(0, 3)] }, 'usage'],
    [{ ids: [first.id, '00000000'] }, 'quarantine-unknown'],
    [{ ids: [`${first.id}0`] }, 'quarantine-unknown'],
  ];
  for (const [choice, code] of refused) expect([choice, codeOf(() => choose(choice))]).toEqual([choice, code]);
});

test('a beginning that two ids have is one digit too few', () => {
  const database = makeDatabase();
  localFiles.withConnection(database.path, (db) => {
    db.exec(`UPDATE _sqlsync_quarantine SET id = 'abcd' || substr(id, 5)`);
  });
  const choice = { ids: ['abcd'], all: false, table: undefined };
  expect(codeOf(() => chooseQuarantined(database, choice, deps))).toBe('usage');
});
