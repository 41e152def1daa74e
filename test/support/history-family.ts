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
  CREATE TABLE fan(id TEXT PRIMARY KEY, code TEXT REFERENCES author(code) ON DELETE SET NULL ON UPDATE CASCADE, note);
`;

/** Columns that hold values which an application writes once. */
export const FAMILY_VALUES = [
  'SELECT note FROM author',
  'SELECT title FROM book',
  'SELECT note FROM chapter',
  'SELECT note FROM fan',
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
