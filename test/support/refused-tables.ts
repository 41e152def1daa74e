/** Tables that cannot replicate, and what is said of them. */
import { columnsOf, type Specimen } from './schema-zoo.js';

export interface RefusedTable extends Specimen {
  /** What `init` says of it. */
  readonly reason: string;
}

const refusedOf = (what: string, sql: string, reason: string): [string, RefusedTable] => [
  what,
  { schema: sql, reason, functions: ['of_the_application'] },
];
const ONLY_ITS_FUNCTION = 'it needs the function of_the_application(), which only the application has';

/** In each, ? stands for the name of the table. */
export const REFUSED_TABLES: Readonly<Record<string, RefusedTable>> = Object.fromEntries([
  refusedOf('no key', 'CREATE TABLE ?(a, b)', 'it has no PRIMARY KEY and no UNIQUE index'),
  refusedOf(
    'a UNIQUE index that lets NULL in',
    'CREATE TABLE ?(a UNIQUE, b)',
    'it has no PRIMARY KEY and no UNIQUE index',
  ),
  refusedOf(
    'rows whose key is NULL',
    `CREATE TABLE ?(a TEXT PRIMARY KEY, b); INSERT INTO ? VALUES(NULL, 1), ('k', 2), (NULL, 3)`,
    'it holds rows whose key is NULL',
  ),
  refusedOf(
    'rows of whose composite key a part is NULL',
    `CREATE TABLE ?(a TEXT, b INT, PRIMARY KEY(a, b)); INSERT INTO ? VALUES('k', NULL)`,
    'it holds rows whose key is NULL',
  ),
  refusedOf(
    '65 key columns',
    `CREATE TABLE ?(${columnsOf(65)}, PRIMARY KEY(${columnsOf(65)}))`,
    'its key has 65 columns',
  ),
  refusedOf(
    'a function in a CHECK',
    'CREATE TABLE ?(id INTEGER PRIMARY KEY, a CHECK(of_the_application(a)))',
    ONLY_ITS_FUNCTION,
  ),
  refusedOf(
    'a function in a default',
    'CREATE TABLE ?(id TEXT PRIMARY KEY DEFAULT (of_the_application()))',
    ONLY_ITS_FUNCTION,
  ),
  refusedOf(
    'a function in a generated column',
    'CREATE TABLE ?(id INTEGER PRIMARY KEY, g AS (of_the_application(id)))',
    ONLY_ITS_FUNCTION,
  ),
  refusedOf(
    'a function in an index',
    'CREATE TABLE ?(id INTEGER PRIMARY KEY, a); CREATE INDEX i ON ?(of_the_application(a))',
    ONLY_ITS_FUNCTION,
  ),
  refusedOf(
    'a function in the WHERE of an index',
    'CREATE TABLE ?(id INTEGER PRIMARY KEY, a); CREATE INDEX j ON ?(a) WHERE of_the_application(a)',
    ONLY_ITS_FUNCTION,
  ),
  [
    'a key of a collation that only the application has',
    {
      schema: 'CREATE TABLE ?(id TEXT COLLATE NOCASE PRIMARY KEY, a)',
      spelling: [['NOCASE', 'german']],
      reason: 'it needs the collation german, which only the application has',
    },
  ],
  [
    'a collation that only the application has, in a CHECK',
    {
      schema: `CREATE TABLE ?(id TEXT PRIMARY KEY, a CHECK(a > 'x' COLLATE NOCASE))`,
      spelling: [['NOCASE', 'german']],
      reason: 'it needs the collation german, which only the application has',
    },
  ],
]);

/** The schema of a refused table under its name. */
export function refusedSchema({ schema }: RefusedTable, name: string): string {
  return schema.replaceAll('?', `"${name.replaceAll('"', '""')}"`);
}
