/**
 * Tables with foreign keys for random histories: by a key and by other columns, to the table itself, with and without an
 * index, with actions that cascade; and what an application does with them.
 */
import type { Database } from 'better-sqlite3';
import type { Random } from './seeded-random.js';

export const FAMILY_SCHEMA = `
  CREATE TABLE author(id TEXT COLLATE NOCASE PRIMARY KEY, code TEXT UNIQUE, note);
  CREATE TABLE book(id INTEGER PRIMARY KEY, author TEXT REFERENCES author(id) ON DELETE CASCADE ON UPDATE CASCADE,
    sequel_of INTEGER REFERENCES book(id) ON DELETE SET NULL ON UPDATE CASCADE, title);
  CREATE INDEX book_author ON book(author);
  CREATE TABLE chapter(book INTEGER REFERENCES book(id) ON DELETE CASCADE ON UPDATE CASCADE, n INT, note,
    PRIMARY KEY(book, n)) WITHOUT ROWID;
  CREATE TABLE ticket(id INTEGER PRIMARY KEY, name, title);
  CREATE TABLE stub(ticket INTEGER REFERENCES ticket(id) ON DELETE CASCADE ON UPDATE CASCADE, n INT, meant, note,
    PRIMARY KEY(ticket, n, meant));
  CREATE TABLE seat_of(id TEXT PRIMARY KEY, ticket INTEGER REFERENCES ticket(id) ON DELETE CASCADE, meant, note);
  CREATE TABLE fan(id TEXT PRIMARY KEY, code TEXT REFERENCES author(code) ON DELETE SET NULL ON UPDATE CASCADE, note);
`;

/** Columns that hold values which an application writes once. */
export const FAMILY_VALUES = [
  'SELECT note FROM author',
  'SELECT title FROM book',
  'SELECT note FROM chapter',
  'SELECT note FROM fan',
  'SELECT name, title FROM ticket',
  'SELECT note FROM stub',
  'SELECT note FROM seat_of',
];

export function familyStatements(random: Random, value: () => string): [string, unknown[]][] {
  const author = () => `${random.chance(0.8) ? 'a' : 'A'}${random.int(3)}`;
  const code = () => `c${random.int(4)}`;
  const book = () => 1 + random.int(4);
  const fan = () => `f${random.int(3)}`;
  return [
    ['INSERT OR IGNORE INTO author VALUES(?, ?, ?)', [author(), code(), value()]],
    ['INSERT OR IGNORE INTO author VALUES(?, ?, ?)', [author(), code(), value()]],
    ['INSERT OR REPLACE INTO author VALUES(?, ?, ?)', [author(), code(), value()]],
    ['UPDATE author SET note = ? WHERE id = ?', [value(), author()]],
    ['UPDATE OR IGNORE author SET code = ? WHERE id = ?', [code(), author()]],
    ['UPDATE OR IGNORE author SET id = ? WHERE id = ?', [author(), author()]],
    ['DELETE FROM author WHERE id = ?', [author()]],
    ['INSERT OR IGNORE INTO book VALUES(?, ?, ?, ?)', [book(), author(), null, value()]],
    ['INSERT OR IGNORE INTO book VALUES(?, ?, ?, ?)', [book(), author(), book(), value()]],
    ['INSERT INTO book(author, title) VALUES(?, ?)', [author(), value()]],
    ['UPDATE book SET title = ? WHERE id = ?', [value(), book()]],
    ['UPDATE book SET author = ? WHERE id = ?', [author(), book()]],
    ['UPDATE book SET sequel_of = ? WHERE id = ?', [book(), book()]],
    ['UPDATE OR IGNORE book SET id = ? WHERE id = ?', [book(), book()]],
    ['DELETE FROM book WHERE id = ?', [book()]],
    ['INSERT OR IGNORE INTO chapter VALUES(?, ?, ?)', [book(), random.int(2), value()]],
    ['INSERT OR IGNORE INTO chapter VALUES(?, ?, ?)', [book(), random.int(2), value()]],
    ['UPDATE chapter SET note = ? WHERE book = ?', [value(), book()]],
    ['UPDATE OR IGNORE chapter SET book = ? WHERE book = ?', [book(), book()]],
    ['DELETE FROM chapter WHERE book = ? AND n = ?', [book(), random.int(2)]],
    ...Array.from({ length: 4 }, (): [string, unknown[]] => [
      'INSERT INTO ticket(name, title) VALUES(?, ?)',
      [value(), value()],
    ]),
    ...Array.from({ length: 2 }, (): [string, unknown[]] => [
      'INSERT OR IGNORE INTO stub SELECT id, ?, name, ? FROM ticket WHERE id > 0 ORDER BY id DESC LIMIT 1',
      [random.int(2), value()],
    ]),
    ...Array.from({ length: 2 }, (): [string, unknown[]] => [
      'INSERT INTO seat_of SELECT ?, id, name, ? FROM ticket WHERE id > 0 ORDER BY id DESC LIMIT 1',
      [value(), value()],
    ]),
    ['UPDATE ticket SET title = ? WHERE id = (SELECT max(id) FROM ticket)', [value()]],
    ['UPDATE seat_of SET note = ? WHERE id = (SELECT max(id) FROM seat_of)', [value()]],
    ['DELETE FROM ticket WHERE id = (SELECT min(id) FROM ticket WHERE id > 0)', []],
    ['INSERT OR IGNORE INTO fan VALUES(?, ?, ?)', [fan(), code(), value()]],
    ['UPDATE fan SET code = ? WHERE id = ?', [code(), fan()]],
    ['UPDATE fan SET note = ? WHERE id = ?', [value(), fan()]],
    ['DELETE FROM fan WHERE id = ?', [fan()]],
  ];
}

const DANGLING = [
  [
    'book',
    `SELECT json_object('id', id) FROM book c WHERE author IS NOT NULL AND NOT EXISTS(SELECT 1 FROM author p WHERE p.id = c.author)`,
  ],
  [
    'book',
    `SELECT json_object('id', id) FROM book c WHERE sequel_of IS NOT NULL AND NOT EXISTS(SELECT 1 FROM book p WHERE p.id = c.sequel_of)`,
  ],
  [
    'chapter',
    `SELECT json_object('book', book, 'n', n) FROM chapter c WHERE NOT EXISTS(SELECT 1 FROM book p WHERE p.id = c.book)`,
  ],
] as const;

/** Rows whose parent, by its key, is not there: table and key as in conflict records. */
export function danglingRows(db: Database): { table: string; key: string }[] {
  return DANGLING.flatMap(([table, sql]) => (db.prepare(sql).pluck().all() as string[]).map((key) => ({ table, key })));
}

/** A row whose ticket is another than the one that was meant when it was written. */
export interface MisledRow {
  readonly table: string;
  /** As in conflict records. */
  readonly key: string;
  /** Values of the row's, of the ticket's that was meant, and of the ticket's that it has now. */
  readonly own: string;
  readonly meant: string;
  readonly has: string;
  readonly ticket: number;
}

export function misledRows(db: Database): MisledRow[] {
  const select = (table: string, key: string, own: string) =>
    `SELECT '${table}' AS "table", json_object(${key}) AS "key", ${own} AS own, meant, name AS has, ticket.id AS ticket
     FROM ${table} AS c JOIN ticket ON ticket.id = c.ticket WHERE meant <> name`;
  const stubs = select('stub', `'ticket', c.ticket, 'n', c.n, 'meant', c.meant`, 'c.note');
  return db.prepare(`${stubs} UNION ALL ${select('seat_of', `'id', c.id`, 'c.id')}`).all() as MisledRow[];
}
