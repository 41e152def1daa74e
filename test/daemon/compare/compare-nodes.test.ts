import { expect, onTestFinished, test } from 'vitest';
import { canonicalKey } from '../../../src/replication/row-key.js';
import { RawText, type SqlValue } from '../../../src/replication/row-version.js';
import { compareEngines, writeUnseen } from '../../support/compare-engines.js';
import { EngineCluster, type EngineNode } from '../../support/engine-node.js';
import { type Random, seededRandom } from '../../support/seeded-random.js';

/** Tables with odd keys, and which columns those are. */
const SCHEMAS: readonly (readonly [schema: string, key: string])[] = [
  ['CREATE TABLE t(k INTEGER PRIMARY KEY, x, y, z)', 'k'],
  ['CREATE TABLE t(k TEXT PRIMARY KEY, x, y, z)', 'k'],
  ['CREATE TABLE t(x, k, y, z, PRIMARY KEY(k DESC, z))', 'k, z'],
  ['CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, x, y TEXT, z REAL) WITHOUT ROWID', 'k'],
  [
    'CREATE TABLE t(k NOT NULL, x AS (k || y) VIRTUAL, y, z NOT NULL); CREATE UNIQUE INDEX u ON t(z, k COLLATE RTRIM DESC)',
    'k, z',
  ],
];

const VALUES: readonly SqlValue[] = [
  null,
  0n,
  1n,
  0.0,
  -0.0,
  1.0,
  2n ** 60n,
  1e-300,
  Number.POSITIVE_INFINITY,
  '',
  '1',
  'a',
  'A',
  'a ',
  'nul\0l',
  '\uFFFD',
  new RawText(Buffer.from('ff', 'hex')),
  new RawText(Buffer.from('fffe', 'hex')),
  Buffer.from('a'),
  Buffer.alloc(0),
];

const parameter = (value: SqlValue) => (value instanceof RawText ? 'CAST(? AS TEXT)' : '?');
const bound = (value: SqlValue) => (value instanceof RawText ? value.bytes : value);

/** A key in the making: few enough values for rows to be met again. */
function keyOf(random: Random): SqlValue {
  return random.chance(0.2)
    ? random.pick(VALUES)
    : random.chance(0.5)
      ? BigInt(random.int(4000))
      : `k${random.int(4000)}`;
}

function insert({ app }: EngineNode, random: Random): void {
  const row = { k: keyOf(random), y: random.pick(VALUES), z: random.pick(VALUES) };
  const values = Object.values(row);
  const sql = `INSERT OR IGNORE INTO t(${Object.keys(row).join(', ')}) VALUES(${values.map(parameter).join(', ')})`;
  try {
    app.prepare(sql).run(values.map(bound));
  } catch {
    // The value is none for this column.
  }
}

/** What differs, as SQLite tells it. Rows with NULL in their key have no identity, and do not replicate. */
function differing(here: EngineNode, there: EngineNode, key: string): string[] {
  const columns = here.app
    .prepare("SELECT name FROM pragma_table_xinfo('t') WHERE hidden = 0")
    .pluck()
    .all() as string[];
  const rows = (node: EngineNode) => {
    const shown = columns.map(
      (c) => `typeof(${c}), CASE typeof(${c}) WHEN 'real' THEN ${c} ELSE hex(CAST(${c} AS BLOB)) END`,
    );
    const select = node.app.prepare(
      `SELECT ${shown.join(', ')} FROM t WHERE ${key.replaceAll(', ', ' IS NOT NULL AND ')} IS NOT NULL`,
    );
    const cell = (value: unknown) => (Object.is(value, -0) ? '-0.0' : String(value));
    return (select.raw().all() as unknown[][]).map((row) => row.map(cell).join(' '));
  };
  const [mine, theirs] = [new Set(rows(here)), new Set(rows(there))];
  return [...[...mine].filter((row) => !theirs.has(row)), ...[...theirs].filter((row) => !mine.has(row))];
}

function pair(schema: string, options: ConstructorParameters<typeof EngineCluster>[2] = {}): [EngineNode, EngineNode] {
  const cluster = new EngineCluster(schema, 2, options);
  onTestFinished(() => cluster.close());
  return cluster.nodes as [EngineNode, EngineNode];
}

for (const [n, [schema, key]] of SCHEMAS.entries()) {
  test(`schema ${n}: of two files that differ in some rows just these are named`, async () => {
    for (let seed = 1; seed <= 2; seed += 1) {
      const random = seededRandom(100 * n + seed);
      const [here, there] = pair(schema, { journalMode: seed === 2 ? 'delete' : 'wal' });
      const fill = (node: EngineNode, count: number) => node.app.transaction(() => { for (let i = 0; i < count; i += 1) insert(node, random); })(); // biome-ignore format: one line
      fill(here, 1500);
      here.foldAll();
      there.pull(here);
      expect(await compareEngines(here, there)).toMatchObject({ equal: true, reason: null });
      for (const node of [here, there]) {
        writeUnseen(node, () => {
          const keys = node.app.prepare('SELECT k FROM t ORDER BY random() LIMIT 4').pluck().safeIntegers().all();
          for (const key of keys) {
            const value = random.pick(VALUES);
            if (random.chance(0.3)) node.app.prepare('DELETE FROM t WHERE k IS ?').run(key);
            else node.app.prepare(`UPDATE OR IGNORE t SET y = ${parameter(value)} WHERE k IS ?`).run(bound(value), key);
          }
          insert(node, random);
        });
      }
      const found = await compareEngines(here, there);
      const named = found.tables[0]?.told ?? [];
      // A row that is on both sides counts twice in what SQLite tells.
      const expected = differing(here, there, key).length;
      const count = named.reduce((sum, row) => sum + (row.here === null ? 0 : 1) + (row.there === null ? 0 : 1), 0);
      expect(count, `seed ${seed}`).toBe(expected);
      expect(found.equal).toBe(expected === 0);
      expect(found.tables[0]?.differing).toBe(named.length);
      expect(new Set(named.map(({ key }) => JSON.stringify(key))).size).toBe(named.length);
    }
  });
}

test('what SQL cannot tell apart differs: -0.0 and 0.0, and text that is not UTF-8', async () => {
  const [here, there] = pair('CREATE TABLE t(k INTEGER PRIMARY KEY, x)');
  here.app.exec("INSERT INTO t VALUES(1, 0.0), (2, 0.0), (3, CAST(x'ff' AS TEXT)), (4, 1)");
  here.foldAll();
  there.pull(here);
  writeUnseen(there, () => {
    there.app.prepare('UPDATE t SET x = ? WHERE k = 2').run(-0.0);
    there.app.exec("UPDATE t SET x = CAST(x'fe' AS TEXT) WHERE k = 3; UPDATE t SET x = 1.0 WHERE k = 4");
  });
  const { equal, tables } = await compareEngines(here, there);
  expect(equal).toBe(false);
  expect(tables[0]?.told).toEqual([
    { key: { k: 2 }, here: { k: 2, x: { $real: '0' } }, there: { k: 2, x: { $real: '-0.0' } } },
    { key: { k: 3 }, here: { k: 3, x: { $text: '/w==' } }, there: { k: 3, x: { $text: '/g==' } } },
    { key: { k: 4 }, here: { k: 4, x: 1 }, there: { k: 4, x: { $real: '1' } } },
  ]);
});

test('columns are compared by name, whatever their order, and generated ones are not', async () => {
  const [here, there] = pair('CREATE TABLE t(k INTEGER PRIMARY KEY, x, y AS (x + 1))');
  here.app.exec("INSERT INTO t VALUES(1, 'a')");
  here.foldAll();
  there.pull(here);
  there.app.exec('CREATE TABLE n(x, k INTEGER PRIMARY KEY, y AS (x + 2)); INSERT INTO n(k, x) SELECT k, x FROM t');
  there.app.exec('DROP TABLE t; ALTER TABLE n RENAME TO t');
  expect(await compareEngines(here, there)).toMatchObject({ equal: true });
});

test('a row on which a write is on its way does not differ: it is waited for', async () => {
  const [here, there] = pair('CREATE TABLE t(k INTEGER PRIMARY KEY, x)');
  here.app.exec(
    'WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO t SELECT i, 0 FROM n',
  );
  here.foldAll();
  there.pull(here);
  let writes = 0;
  const onQuestion = () => {
    writes += 1;
    here.app.exec(`UPDATE t SET x = x + 1 WHERE k = 7`);
    there.app.exec(`UPDATE t SET x = ${writes} WHERE k = 9; INSERT INTO t VALUES(${1000 + writes}, 1)`);
    if (writes > 12) throw new Error('the comparison goes on for ever');
  };
  const moving = await compareEngines(here, there, { waitMsMax: 0, onQuestion });
  expect(moving).toMatchObject({ equal: null });
  expect(moving.reason).toMatch(/rows of t were written/);
  let isWriting = true;
  const settling = await compareEngines(here, there, {
    onQuestion: () => {
      if (isWriting) onQuestion();
      isWriting = writes < 8;
    },
  });
  expect(settling).toMatchObject({ equal: true, reason: null });
});

test('a row that differs for good is told, though writes to others are on their way', async () => {
  const [here, there] = pair('CREATE TABLE t(k INTEGER PRIMARY KEY, x)');
  here.app.exec("INSERT INTO t VALUES(1, 'a'), (2, 'b')");
  here.foldAll();
  there.pull(here);
  writeUnseen(there, () => there.app.exec("UPDATE t SET x = 'unseen' WHERE k = 2"));
  here.app.exec("UPDATE t SET x = 'on its way' WHERE k = 1");
  const found = await compareEngines(here, there, { bringTogether: () => {}, waitMsMax: 0 });
  expect(found).toMatchObject({ equal: false, tables: [{ differing: 1, told: [{ key: { k: 2 } }] }] });
});

test('a node that keeps changes aside is equal to nobody', async () => {
  const [here, there] = pair('CREATE TABLE t(k INTEGER PRIMARY KEY, x)');
  there.app.exec('CREATE TABLE n(k INTEGER PRIMARY KEY, x CHECK(x < 10)); DROP TABLE t; ALTER TABLE n RENAME TO t');
  here.app.exec('INSERT INTO t VALUES(1, 11)');
  here.foldAll();
  there.pull(here);
  const found = await compareEngines(here, there);
  expect(found.equal).toBe(null);
  expect(found.reason).toMatch(/n1 keeps changes of t aside/);
});

test('what is kept aside for one table says nothing of the others', async () => {
  const [here, there] = pair('CREATE TABLE t(k INTEGER PRIMARY KEY, x); CREATE TABLE other(k INTEGER PRIMARY KEY, x)');
  here.app.exec('ALTER TABLE t ADD COLUMN added');
  here.app.exec('INSERT INTO t VALUES(1, 11, 1); INSERT INTO other VALUES(1, 1), (2, 2)');
  here.foldAll();
  there.pull(here);
  expect(there.hello().aside).toEqual(['t']);
  for (const [own, other] of [
    [here, there],
    [there, here],
  ] as const) {
    const found = await compareEngines(own, other);
    expect(found).toMatchObject({ equal: null, isWhole: true });
    expect(found.reason).toMatch(/n1 keeps changes of t aside/);
    expect(found.tables).toMatchObject([
      { table: { name: 'other' }, rows: 2, reason: null },
      { table: { name: 't' }, rows: 0, reason: expect.any(String) },
    ]);
  }
  writeUnseen(there, () => there.app.exec('UPDATE other SET x = 3 WHERE k = 2'));
  const found = await compareEngines(here, there);
  expect(found).toMatchObject({ equal: false, tables: [{ differing: 1 }, { differing: 0 }] });
});

test('a table that was renamed may lack what is kept under its former name', async () => {
  const [here, there] = pair('CREATE TABLE t(k INTEGER PRIMARY KEY, x)');
  here.app.exec('ALTER TABLE t RENAME TO u');
  here.foldAll();
  there.app.exec('INSERT INTO t VALUES(1, 1)');
  there.foldAll();
  here.pull(there);
  there.app.exec('ALTER TABLE t RENAME TO u');
  there.foldAll();
  const found = await compareEngines(here, there, { bringTogether: () => {} });
  expect(found).toMatchObject({ equal: null, tables: [{ table: { name: 'u' }, rows: 0, differing: 0 }] });
  expect(found.reason).toMatch(/n0 keeps changes of t aside/);
  expect(await compareEngines(here, there)).toMatchObject({ equal: true, tables: [{ rows: 1 }] });
});

test('what comes meanwhile and finds no place leaves its table unknown, though no row differs', async () => {
  const [here, there] = pair('CREATE TABLE t(k INTEGER PRIMARY KEY, x)');
  there.app.exec('ALTER TABLE t ADD COLUMN added; INSERT INTO t VALUES(1, 1, 1)');
  there.foldAll();
  const found = await compareEngines(here, there, {
    bringTogether: () => {
      here.pull(there);
      there.app.exec('DELETE FROM t');
    },
  });
  expect(found).toMatchObject({ equal: null, tables: [{ rows: 0, reason: expect.stringMatching(/n0 keeps/) }] });
});

test('what is equal is not sent: ten rows in 20,000 are found with little', async () => {
  const [here, there] = pair('CREATE TABLE t(k TEXT PRIMARY KEY, x)');
  here.app.exec(
    "WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT printf('key-%08d', i), hex(i) || hex(i) FROM n",
  );
  here.foldAll();
  while (there.pull(here) !== 0);
  const equal = await compareEngines(here, there);
  expect(equal).toMatchObject({ equal: true, tables: [{ rows: 20_000 }] });
  expect(equal.chars).toBeLessThan(10_000);
  writeUnseen(there, () => there.app.exec("UPDATE t SET x = 'unseen' WHERE rowid % 2000 = 77"));
  const found = await compareEngines(here, there);
  expect(found.tables[0]?.differing).toBe(10);
  expect(found.chars).toBeLessThan(120_000);
});

test('more rows than are told are counted; rows that only one side has are found in pages', async () => {
  const [here, there] = pair('CREATE TABLE t(k INTEGER PRIMARY KEY, x)');
  writeUnseen(there, () => {
    there.app.exec(
      'WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i, i FROM n',
    );
  });
  const found = await compareEngines(here, there);
  expect(found).toMatchObject({ equal: false, tables: [{ rows: 0, differing: 20_000 }] });
  expect(found.tables[0]?.told).toHaveLength(100);
});

test('values too large to be sent are told by their hash', async () => {
  const [here, there] = pair('CREATE TABLE t(k INTEGER PRIMARY KEY, x, y)');
  here.app.exec('INSERT INTO t VALUES(1, zeroblob(3000000), 1)');
  here.foldAll();
  there.pull(here);
  writeUnseen(there, () => there.app.exec('UPDATE t SET y = 2'));
  const { tables } = await compareEngines(here, there);
  expect(tables[0]?.told[0]).toMatchObject({ here: { y: 1 }, there: { y: 2, x: { bytes: 3_000_005 } } });
});

test('keys of one identity are one row, however they are spelled', async () => {
  expect(canonicalKey(['A'], ['NOCASE'])).toBe(canonicalKey(['a'], ['NOCASE']));
  const [here, there] = pair('CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, x)');
  here.app.exec("INSERT INTO t VALUES('a', 1), ('b', 2)");
  here.foldAll();
  there.pull(here);
  writeUnseen(there, () => there.app.exec("UPDATE t SET k = 'B' WHERE k = 'b'"));
  const { tables } = await compareEngines(here, there);
  expect(tables[0]?.told).toEqual([{ key: { k: 'b' }, here: { k: 'b', x: 2 }, there: { k: 'B', x: 2 } }]);
});
