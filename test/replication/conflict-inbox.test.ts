/** The inbox of a file: filters, order, pages, states, and the indexes that they go by. */
import type { Database } from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ConflictInbox } from '../../src/replication/conflict-inbox.js';
import { captured } from '../support/captured-database.js';

const DAY_MS = 86_400_000;
const side = (node: string | null) => JSON.stringify({ node, session: null, hlc: 1, row: { k: 1 } });

interface Record {
  id: string;
  tbl?: string;
  kind?: string;
  strategy?: string;
  columns?: string[];
  winner?: string | null;
  loser?: string | null;
  at?: number;
}

function inboxOf(records: Record[], resolutions: [conflict: string, choice: string, at: number][] = []): Database {
  const db = captured('CREATE TABLE t(k PRIMARY KEY)');
  onTestFinished(() => void db.close());
  const insert = db.prepare(
    'INSERT INTO _sqlsync_conflict(id, tbl, key, kind, strategy, columns, winner, loser, detected_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  for (const {
    id,
    tbl = 't',
    kind = 'unique',
    strategy = 'merge',
    columns = [],
    winner = 'a',
    loser = 'b',
    at = 0,
  } of records) {
    insert.run(id, tbl, '{"k":1}', kind, strategy, JSON.stringify(columns), side(winner), side(loser), at);
  }
  const resolve = db.prepare(`INSERT INTO _sqlsync_resolution VALUES(?, ?, ?, '[]', '[]', 'a', 'ann', ?)`);
  for (const [i, [conflict, choice, at]] of resolutions.entries()) resolve.run(`r${i}`, conflict, choice, at);
  return db;
}

const idsOf = (db: Database, filter: Parameters<ConflictInbox['ids']>[0]) => new ConflictInbox(db).ids(filter);

describe('conflicts', () => {
  test('come newest first, ties by id, and page by page alike', () => {
    const inbox = new ConflictInbox(
      inboxOf([
        { id: 'a', at: 2 },
        { id: 'c', at: 2 },
        { id: 'b', at: 3 },
        { id: 'd', at: 1 },
      ]),
    );
    expect(inbox.ids({})).toEqual(['b', 'c', 'a', 'd']);
    const first = inbox.page({}, null, 2);
    expect(first.map(({ id }) => id)).toEqual(['b', 'c']);
    expect(inbox.page({}, { detectedAtMs: 2, id: 'c' }, 9).map(({ id }) => id)).toEqual(['a', 'd']);
  });

  test('are selected by each filter, and by all of them together', () => {
    const db = inboxOf([
      { id: 'a', tbl: 'x', kind: 'orphan', columns: ['p', "q'"], winner: 'n', loser: null, at: 5 },
      { id: 'b', strategy: 'manual', loser: 'n', at: 9 },
    ]);
    expect(idsOf(db, { table: 'x' })).toEqual(['a']);
    expect(idsOf(db, { kind: 'orphan' })).toEqual(['a']);
    expect(idsOf(db, { column: "q'" })).toEqual(['a']);
    expect(idsOf(db, { column: 'q' })).toEqual([]);
    expect(idsOf(db, { node: 'n' })).toEqual(['b', 'a']);
    expect(idsOf(db, { node: 'a' })).toEqual(['b']);
    expect(idsOf(db, { states: ['open'] })).toEqual(['b']);
    expect(idsOf(db, { states: ['auto', 'resolved'] })).toEqual(['a']);
    expect(idsOf(db, { sinceMs: 9 })).toEqual(['b']);
    expect(idsOf(db, { untilMs: 9 })).toEqual(['a']);
    expect(
      idsOf(db, { table: 'x', kind: 'orphan', node: 'n', column: 'p', states: ['auto'], sinceMs: 5, untilMs: 6 }),
    ).toEqual(['a']);
    expect(new ConflictInbox(db).count({ node: 'n' })).toBe(2);
  });

  test('stand as their latest resolution says, whichever came first', () => {
    const db = inboxOf(
      [{ id: 'a' }, { id: 'b' }, { id: 'c', strategy: 'manual' }, { id: 'd' }],
      [
        ['a', 'loser', 1],
        ['b', 'undo', 9],
        ['b', 'winner', 3],
        ['c', 'set', 1],
        ['c', 'undo', 2],
        ['d', 'undo', 4],
        ['d', 'loser', 4],
      ],
    );
    const inbox = new ConflictInbox(db);
    const states = inbox.page({}, null, 9).map(({ id, state, latest }) => [id, state, latest?.choice]);
    expect(states).toEqual([
      ['d', 'resolved', 'loser'],
      ['c', 'open', 'undo'],
      ['b', 'auto', 'undo'],
      ['a', 'resolved', 'loser'],
    ]);
    expect(inbox.resolutions('b').map(({ choice }) => choice)).toEqual(['undo', 'winner']);
  });

  test('are counted by what they have in common', () => {
    const inbox = new ConflictInbox(
      inboxOf([
        { id: 'a', at: 1 },
        { id: 'b', at: 2 },
        { id: 'c', at: DAY_MS, winner: null },
      ]),
    );
    const common = { table: 't', kind: 'unique', loserNode: 'b', state: 'auto' };
    expect(inbox.counts({})).toEqual([
      { ...common, winnerNode: null, day: 1, conflicts: 1 },
      { ...common, winnerNode: 'a', day: 0, conflicts: 2 },
    ]);
  });

  test('are found by the beginnings of their ids', () => {
    const inbox = new ConflictInbox(inboxOf([{ id: 'ab12' }, { id: 'ab13' }, { id: 'abff' }, { id: 'ac' }]));
    expect(inbox.idsBeginning('ab1', 9)).toEqual(['ab12', 'ab13']);
    expect(inbox.idsBeginning('ab', 2)).toEqual(['ab12', 'ab13']);
    expect(inbox.idsBeginning('abf', 9)).toEqual(['abff']);
    expect(inbox.get('ac')).toMatchObject({ id: 'ac', key: { k: 1 }, winner: { node: 'a' } });
    expect(inbox.get('ff')).toBeNull();
  });

  test('are listed and counted by their indexes, not by reading every image', () => {
    const db = inboxOf([{ id: 'a' }]);
    const plansOf = (ask: (inbox: ConflictInbox) => unknown) => {
      const asked: string[] = [];
      const spied = Object.create(db, {
        prepare: { value: (sql: string) => asked.push(sql) && db.prepare(sql) },
      }) as Database;
      ask(new ConflictInbox(spied));
      const explain = (sql: string) =>
        db.prepare(`EXPLAIN QUERY PLAN ${sql.replaceAll(/@\w+/g, '1')}`).all() as { detail: string }[];
      return asked.flatMap(explain).map(({ detail }) => detail);
    };
    const byTime = 'USING COVERING INDEX _sqlsync_conflict_by_time';
    const page = plansOf((inbox) => inbox.page({}, { detectedAtMs: 1, id: 'a' }, 1));
    expect(page).toContain(`SEARCH c ${byTime} ((detected_at,id)<(?,?))`);
    const filter = { table: 't', kind: 'unique', states: ['open'] } as const;
    for (const plan of [plansOf((inbox) => inbox.count(filter)), plansOf((inbox) => inbox.ids(filter))]) {
      expect(plan).toContain(`SCAN c ${byTime}`);
      expect(plan).toContain('SEARCH r USING COVERING INDEX _sqlsync_resolution_by_conflict (conflict=?)');
      expect(plan.join()).not.toContain('TEMP B-TREE');
    }
  });
});
