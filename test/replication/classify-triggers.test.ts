/** Which of an application's triggers may fire on applied rows. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { classifyTriggers } from '../../src/replication/classify-triggers.js';
import { install } from '../support/captured-database.js';
import { makeFolder } from '../support/make-folder.js';

const SCHEMA = `CREATE TABLE item(id INTEGER PRIMARY KEY, x, y); CREATE TABLE keyed(id TEXT PRIMARY KEY, x) WITHOUT ROWID;
  CREATE TABLE local(m); CREATE TABLE relay(m); CREATE TABLE docs(id INTEGER PRIMARY KEY, body);
  CREATE VIRTUAL TABLE fts USING fts5(body, content='docs', content_rowid='id');
  CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);
  CREATE TABLE parent(id INTEGER PRIMARY KEY); CREATE TABLE child(id INTEGER PRIMARY KEY, p REFERENCES parent ON DELETE CASCADE);
  CREATE TABLE log_parent(id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT * FROM item;
  CREATE TABLE made(id INTEGER PRIMARY KEY, x, g AS (x + 1));`;
const REPLICATED = ['item', 'keyed', 'docs', 'child', 'made'];

function classify(trigger: string) {
  const db = new Database(':memory:');
  db.exec(SCHEMA + trigger);
  return classifyTriggers(db, REPLICATED);
}

test.each([
  ['AFTER INSERT ON item BEGIN INSERT INTO local VALUES(NEW.id); END', 'local', ['local']],
  ['AFTER UPDATE OF x ON item WHEN NEW.x > 5 BEGIN UPDATE local SET m = 1; END', 'local', ['local']],
  ['AFTER DELETE ON docs BEGIN DELETE FROM local; END', 'local', ['local']],
  [
    "AFTER DELETE ON docs BEGIN INSERT INTO fts(fts, rowid, body) VALUES('delete', OLD.id, OLD.body); END",
    'local',
    ['fts'],
  ],
  ['AFTER INSERT ON item BEGIN INSERT INTO boxes VALUES(NEW.id, 1, 2); END', 'local', ['boxes']],
  ['AFTER UPDATE OF x ON made BEGIN INSERT INTO local VALUES(NEW.g); END', 'local', ['local']],
  ['AFTER INSERT ON item BEGIN UPDATE item SET y = 1 WHERE id = NEW.id; END', 'replicated', ['item']],
  [
    'AFTER INSERT ON item BEGIN INSERT INTO keyed VALUES(1, 1) ON CONFLICT DO UPDATE SET x = 2; END',
    'replicated',
    ['keyed'],
  ],
  ['AFTER INSERT ON item BEGIN DELETE FROM parent; END', 'replicated', ['child', 'parent']],
  ['AFTER INSERT ON item WHEN 0 BEGIN DELETE FROM keyed; END', 'replicated', ['keyed']],
  ['INSTEAD OF INSERT ON v BEGIN INSERT INTO local VALUES(1); END', 'local', ['local']],
  ["BEFORE DELETE ON item BEGIN SELECT RAISE(ABORT, 'no') WHERE OLD.x = 1; END", 'no-writes', []],
  [
    "BEFORE DELETE ON item BEGIN INSERT INTO local VALUES(1); SELECT RAISE(ABORT, 'no') WHERE OLD.x = 1; END",
    'unknown',
    ['local'],
  ],
  ['BEFORE INSERT ON item BEGIN INSERT INTO local VALUES(1); SELECT RAISE(IGNORE); END', 'unknown', ['local']],
  ['AFTER INSERT ON item BEGIN INSERT INTO local VALUES(own_function(1)); END', 'unknown', ['local']],
  ['AFTER INSERT ON item BEGIN INSERT INTO gone VALUES(1); END', 'unknown', []],
] as const)('%s is %s', (trigger, verdict, writes) => {
  const [found] = classify(`CREATE TRIGGER "odd "" name" ${trigger}`);
  expect(found).toMatchObject({ name: 'odd " name', verdict, writes });
  expect(found?.reason === null).toBe(verdict !== 'unknown');
});

test('what a trigger sets off counts as its own', () => {
  const chain = `CREATE TRIGGER first AFTER INSERT ON item BEGIN INSERT INTO relay VALUES(1); END;
    CREATE TRIGGER second AFTER INSERT ON relay BEGIN`;
  expect(classify(`${chain} INSERT INTO local VALUES(1); END`)).toMatchObject([
    { name: 'first', verdict: 'local', writes: ['local', 'relay'] },
    { name: 'second', verdict: 'local' },
  ]);
  expect(classify(`${chain} DELETE FROM docs; END`)).toMatchObject([
    { verdict: 'replicated' },
    { verdict: 'replicated' },
  ]);
  expect(classify(`${chain} INSERT INTO gone VALUES(1); END`)).toMatchObject([
    { verdict: 'unknown', reason: expect.stringContaining('second') },
    { verdict: 'unknown' },
  ]);
});

test("sqlsync's own triggers are no application's", () => {
  const db = new Database(':memory:');
  db.exec('CREATE TABLE t(id INTEGER PRIMARY KEY)');
  install(db);
  expect(classifyTriggers(db, ['t'])).toEqual([]);
});

test("a function that a table's CHECK needs does not matter to its triggers", () => {
  const path = join(makeFolder(), 'file.db');
  const db = new Database(path);
  db.function('own_function', { deterministic: true, varargs: true }, () => 1);
  db.exec(`CREATE TABLE t(id INTEGER PRIMARY KEY, x CHECK(own_function(x))); CREATE TABLE local(m);
    CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO local VALUES(1); END`);
  db.close();
  const again = new Database(path);
  expect(classifyTriggers(again, ['t'])).toMatchObject([{ name: 'g', verdict: 'local' }]);
  again.close();
});
