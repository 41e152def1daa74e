/** Every value an application can store crosses and arrives byte for byte, whatever wrote it, however large it is. */
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { readContents, untilEqual } from '../support/compare-files.js';
import { ForeignApplication, missingApplications } from '../support/foreign-application.js';
import { joinHub, startHub } from './start-nodes.js';

const EQUAL_MS_MAX = 50_000;
const missing = missingApplications();

const SCHEMA = `
  CREATE TABLE loose(id INTEGER PRIMARY KEY, value);
  CREATE TABLE typed(id INTEGER PRIMARY KEY, r REAL, n NUMERIC, t TEXT, b BLOB, d DATETIME);
  CREATE TABLE strict(id INTEGER PRIMARY KEY, i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT;
  CREATE TABLE keyed(value, n, PRIMARY KEY(value, n));
`;

const VALUES = [
  'NULL',
  ...['0', '-1', '9223372036854775807', '-9223372036854775808', '9007199254740993'],
  ...['0.0', '-0.0', '1.0', '0.1 + 0.2', '5e-324', '1.7976931348623157e308', '9e999', '-9e999', '9007199254740993.0'],
  ...["''", "'1'", "'1.0'", "'ünïcödé 🎵'", "'a' || char(0) || 'b'", 'char(0)'],
  ...["CAST(x'ff' AS TEXT)", "CAST(x'61c328' AS TEXT)", "CAST(x'eda080' AS TEXT)", "CAST(x'efbfbd' AS TEXT)"],
  ...["x''", "x'00'", "x'00ff00'", 'zeroblob(5000)'],
];

/** What one application writes: each value in every table that takes it. */
function inserts(first: number): string[] {
  return VALUES.flatMap((value, i) => {
    const id = first + i;
    return [
      `INSERT INTO loose VALUES (${id}, ${value})`,
      `INSERT INTO typed VALUES (${id}, ${value}, ${value}, ${value}, ${value}, ${value})`,
      `INSERT INTO strict(id, a) VALUES (${id}, ${value})`,
      `INSERT OR IGNORE INTO strict(id, r) SELECT ${id + 500}, ${value} WHERE typeof(${value}) IN ('real', 'integer')`,
      `INSERT OR IGNORE INTO strict(id, t) SELECT ${id + 700}, ${value} WHERE typeof(${value}) = 'text'`,
      ...(value === 'NULL' ? [] : [`INSERT OR IGNORE INTO keyed VALUES (${value}, ${first})`]),
    ];
  });
}

function makeDatabase(path: string): void {
  const db = new Sqlite(path);
  db.pragma('journal_mode = wal');
  db.exec(SCHEMA);
  db.close();
}

async function pair() {
  const hub = await startHub({}, makeDatabase);
  return { hub, east: await (await joinHub(hub, 'east')).start() };
}

// Without the applications there is nothing to prove.
describe.skipIf(missing !== null)(`values${missing === null ? '' : ` (${missing})`}`, () => {
  it('of every kind are the same on both nodes, written on either', async () => {
    const { hub, east } = await pair();
    const python = new ForeignApplication('python', hub.path);
    const shell = new ForeignApplication('shell', east.path);
    await Promise.all([python.commit(...inserts(1)), shell.commit(...inserts(1001))]);
    await Promise.all([python.close(), shell.close()]);
    const contents = await untilEqual([hub, east], EQUAL_MS_MAX);
    expect(contents.get('loose')).toHaveLength(2 * VALUES.length);
    const rows = contents.get('loose')?.join('\n');
    for (const shown of ['real:8000000000000000', 'real:7ff0000000000000', 'integer:-9223372036854775808', 'blob:\n']) {
      expect(rows).toContain(shown);
    }

    const updater = new ForeignApplication('shell', east.path);
    await updater.commit(
      `UPDATE loose SET value = (SELECT value FROM loose AS other WHERE other.id = 1 + (loose.id + 7) % ${VALUES.length})`,
      'UPDATE typed SET r = n, n = t, t = b, b = n',
      `DELETE FROM keyed WHERE typeof(value) = 'blob' AND n = 1`,
    );
    await updater.close();
    expect(await untilEqual([hub, east], EQUAL_MS_MAX)).toEqual(readContents(hub.path));
  });

  it('of 100 MB arrive whole, from both sides at once', async () => {
    const { hub, east } = await pair();
    const python = new ForeignApplication('python', hub.path);
    const shell = new ForeignApplication('shell', east.path);
    await Promise.all([
      python.commit('INSERT INTO loose VALUES (1, randomblob(100000000))'),
      shell.commit("INSERT INTO loose VALUES (2, x'')", 'INSERT INTO loose VALUES (3, hex(zeroblob(20000000)))'),
    ]);
    await Promise.all([python.close(), shell.close()]);
    const contents = await untilEqual([hub, east], EQUAL_MS_MAX);
    const sizes = contents.get('loose')?.map((row) => /value=(\w+:\d*)/.exec(row)?.[1]);
    expect(sizes).toEqual(['blob:100000000', 'blob:', 'text:40000000']);
  });
});
