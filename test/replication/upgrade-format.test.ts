/** Files of the format before, as they were recorded, under this version's engine. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { afterEach, describe, expect, test } from 'vitest';
import { inspectCapture } from '../../src/replication/inspect-capture.js';
import { installCapture } from '../../src/replication/install-capture.js';
import { createMetadata, FORMAT_VERSION, metadataTable } from '../../src/replication/metadata-schema.js';
import { OperatorWrites } from '../../src/replication/operator-writes.js';
import { planCapture } from '../../src/replication/plan-capture.js';
import { readRegistry } from '../../src/replication/registry.js';
import { prepareSnapshot } from '../../src/replication/snapshot.js';
import { uninstallCapture } from '../../src/replication/uninstall-capture.js';
import { formatOf, upgradeFormat } from '../../src/replication/upgrade-format.js';
import { EngineNode, steppingClock, TEST_LIMITS } from '../support/engine-node.js';
import { type RecordedNode, writeFormat1 } from '../support/format-1.js';
import { makeFolder } from '../support/make-folder.js';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

function recorded(node: RecordedNode = 'lyon'): Database {
  const path = join(makeFolder(), `${node}.db`);
  writeFormat1(node, path);
  const db = new Sqlite(path);
  open.push(db);
  return db;
}

const older = expect.objectContaining({ code: 'format-older', hint: expect.stringContaining('sqlsync start') });
const columnsOf = (db: Database, table: string) =>
  db.prepare('SELECT name FROM pragma_table_info(?)').pluck().all(table);
const metadataOf = (db: Database) =>
  db
    .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB '_sqlsync_meta_*' ORDER BY name`)
    .pluck()
    .all() as string[];

describe('an upgrade', () => {
  test('gives every metadata table its column, and leaves it as a new file has it', () => {
    const db = recorded();
    const before = Object.fromEntries(metadataOf(db).map((name) => [name, db.prepare(`SELECT * FROM ${name}`).all()]));
    expect(upgradeFormat(db, 'it')).toBe(1);
    expect(formatOf(db)).toBe(FORMAT_VERSION);
    for (const [name, rows] of Object.entries(before)) {
      expect(columnsOf(db, name)).toContain('unsaid');
      expect(db.prepare(`SELECT * FROM ${name}`).all()).toEqual(
        rows.map((row) => ({ ...(row as object), unsaid: null })),
      );
    }
    // That of a table that is gone is among them.
    expect(Object.keys(before)).toContain('_sqlsync_meta_13');
    for (const { id, schema } of readRegistry(db)) {
      const stored = db.prepare('SELECT sql FROM sqlite_schema WHERE name = ?').pluck().get(metadataTable(id));
      expect(stored).toBe(createMetadata(id, schema.identity));
    }
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
  });

  test('is noticed by connections that are open, and changes nothing of what is captured', () => {
    const db = recorded();
    const application = new Sqlite(db.name);
    open.push(application);
    const insert = application.prepare('INSERT INTO item(id, name) VALUES(?, ?)');
    insert.run(20, 'before');
    upgradeFormat(db, 'it');
    insert.run(21, 'after');
    expect(application.prepare('SELECT unsaid FROM _sqlsync_meta_10').all()).toHaveLength(3);
    expect(inspectCapture(db).tables.flatMap(({ missing, changed }) => [...missing, ...changed])).toEqual([]);
    expect(db.prepare('SELECT k1 FROM _sqlsync_log WHERE tbl = 10 ORDER BY hlc DESC LIMIT 2').pluck().all()).toEqual([
      21, 20,
    ]);
  });

  test('is done once', () => {
    const db = recorded();
    upgradeFormat(db, 'it');
    const bytes = readFileSync(db.name);
    const also = () => expect.unreachable();
    expect(upgradeFormat(db, 'it', also)).toBeNull();
    expect(readFileSync(db.name)).toEqual(bytes);
  });

  test('that fails, or is cut short, has not been', () => {
    const db = recorded();
    const bytes = readFileSync(db.name);
    const fails = () => {
      expect(columnsOf(db, '_sqlsync_meta_10')).toContain('unsaid');
      throw new Error('no room');
    };
    expect(() => upgradeFormat(db, 'it', fails)).toThrow('no room');
    expect(formatOf(db)).toBe(1);
    expect(columnsOf(db, '_sqlsync_meta_10')).not.toContain('unsaid');
    expect(readFileSync(db.name)).toEqual(bytes);
    expect(upgradeFormat(db, 'it')).toBe(1);
  });

  test('of a newer format is refused', () => {
    const db = recorded();
    db.exec(`UPDATE _sqlsync_state SET value = ${FORMAT_VERSION + 1} WHERE name = 'format'`);
    expect(() => upgradeFormat(db, 'it')).toThrow(expect.objectContaining({ code: 'format-newer' }));
  });

  test('takes no longer for a thousand tables than a transaction may', () => {
    const db = new Sqlite(':memory:');
    open.push(db);
    db.transaction(() => {
      db.exec(
        `CREATE TABLE _sqlsync_state(name TEXT PRIMARY KEY, value) WITHOUT ROWID; INSERT INTO _sqlsync_state VALUES('format', 1)`,
      );
      for (let id = 0; id < 1000; id += 1)
        db.exec(`CREATE TABLE _sqlsync_meta_${id}(arrival INTEGER PRIMARY KEY, k1 NOT NULL, cols TEXT, UNIQUE(k1))`);
    })();
    const startedMs = performance.now();
    upgradeFormat(db, 'it');
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(metadataOf(db).every((name) => columnsOf(db, name).at(-1) === 'unsaid')).toBe(true);
  });
});

describe('a file that has not been upgraded', () => {
  test('is refused by whoever would read or write metadata, and stays as it is', () => {
    const db = recorded();
    const bytes = readFileSync(db.name);
    expect(() => nodeAt(db).open()).toThrow(older);
    const plan = planCapture(db, { include: [], exclude: [] });
    expect(() => installCapture(db, plan, { nowMs: 0, facts: {} })).toThrow(older);
    expect(() => OperatorWrites.transaction(db, 0, () => {})).toThrow(older);
    expect(readFileSync(db.name)).toEqual(bytes);
  });

  test('is upgraded on the way where it is a copy: for a node that joins', () => {
    const db = recorded('paris');
    prepareSnapshot(db, { node: 'nice', nodeId: 'ab'.repeat(16), nowMs: Date.UTC(2025, 1, 1) });
    expect(formatOf(db)).toBe(FORMAT_VERSION);
    expect(columnsOf(db, '_sqlsync_meta_10')).toContain('unsaid');
  });

  test('can be left', () => {
    const db = recorded();
    db.exec(`UPDATE _sqlsync_quarantine SET reason = 'parked'`);
    uninstallCapture(db);
    expect(db.prepare(`SELECT name FROM sqlite_schema WHERE name LIKE '%sqlsync%'`).all()).toEqual([]);
  });
});

/** An engine on the file; a clock from after it was recorded. */
function nodeAt(db: Database): EngineNode {
  const node = new EngineNode(
    join(db.name, '..'),
    db.name.endsWith('paris.db') ? 'paris' : 'lyon',
    TEST_LIMITS,
    steppingClock(),
  );
  open.push(node);
  return node;
}

test('two nodes go on from where they were, with all that waited in their files', () => {
  const nodes = (['paris', 'lyon'] as const).map((name) => {
    const db = recorded(name);
    upgradeFormat(db, name);
    const node = nodeAt(db);
    node.open();
    return node;
  });
  const [paris, lyon] = nodes as [EngineNode, EngineNode];
  const before = lyon.replica.status();
  expect(before).toMatchObject({ formatVersion: FORMAT_VERSION, unfolded: 2, quarantined: 1, held: { rows: 4 } });
  expect(before.conflicts).toMatchObject({ open: 2, auto: 1 });
  expect(before.gap).toMatchObject({ tables: ['note'] });
  expect(lyon.app.prepare('SELECT count(*) FROM _sqlsync_meta_10').pluck().get()).toBe(3);

  lyon.app.exec('ALTER TABLE item ADD COLUMN colour TEXT');
  for (let round = 0; round < 3; round += 1) {
    paris.pull(lyon);
    lyon.pull(paris);
  }
  expect(lyon.data().item).toEqual(paris.data().item);
  expect(paris.data().item).toHaveLength(4);
  expect(lyon.replica.status()).toMatchObject({ unfolded: 0, pendingChanges: 0 });
});
