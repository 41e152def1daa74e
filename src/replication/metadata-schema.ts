/**
 * What sqlsync adds to the application's file: one prefix, listed here whole, removed without trace by `uninstall`.
 */

import { quoteIdentifier } from './sql-text.js';
import type { TableIdentity } from './table-schema.js';

export const PREFIX = '_sqlsync_';

/** The format of everything below. A file of a newer format is refused, one of an older upgraded: upgrade-format.ts. */
export const FORMAT_VERSION = 2;

/** What a log entry says happened to the row. */
export const OP = { insert: 1, update: 2, delete: 3, check: 4, marker: 5 } as const;

/** Columns whose bits fit one mask column: SQLite's integers are signed, and one bit is left unused. */
export const MASK_BITS = 62;

/** The name of mask column `index` (0-based), and of key column `index` (0-based), in the log. */
export const maskColumn = (index: number): string => (index === 0 ? 'mask' : `mask${index + 1}`);
export const keyColumn = (index: number): string => `k${index + 1}`;

/**
 * The change log, appended to by triggers inside the application's own transactions.
 *   hlc    the change's hybrid logical clock and its place in the log
 *   tbl    the table's number in _sqlsync_table
 *   op     OP: insert, update, delete, check (a row that REPLACE may have evicted), marker (a clock, no row)
 *   mask   bit set of the columns an update changed, MASK_BITS a column; NULL: all
 *   k1 …   the row's key, native
 * The newest entry is never removed, so that no HLC is used twice.
 */
export function createLog(maskCount: number, keyWidth: number): string {
  const masks = Array.from({ length: maskCount }, (_, i) => maskColumn(i));
  const keys = Array.from({ length: keyWidth }, (_, i) => keyColumn(i));
  return `CREATE TABLE ${PREFIX}log(hlc INTEGER PRIMARY KEY, tbl, op, ${[...masks, ...keys].join(', ')})`;
}

/**
 * Facts of the node, one row each: name → value. Names are those of StateRow in node-state.ts.
 */
const CREATE_STATE = `CREATE TABLE ${PREFIX}state(name TEXT PRIMARY KEY, value) WITHOUT ROWID`;

/**
 * The registry of captured tables.
 *   id       the number in log entries; 1 to 9 are sqlsync's own tables
 *   name     the table's name
 *   columns  JSON array of column names; a column's place is its bit; null where one has been dropped
 *   hash     the table's schema hash when its triggers were installed
 *   triggers digest of their text as it was installed: SQLite itself changes it only when something is renamed
 *   former   JSON array of the names that it had before it was renamed
 */
const CREATE_TABLE_REGISTRY = `CREATE TABLE ${PREFIX}table(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, columns TEXT NOT NULL, hash TEXT NOT NULL, triggers TEXT NOT NULL DEFAULT '', former TEXT NOT NULL DEFAULT '[]')`;

/** Tables left out by rule or on request: name and why. */
const CREATE_EXCLUDED = `CREATE TABLE ${PREFIX}excluded(name TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID`;

/**
 * Sessions this node has heard of; those with an hlc are its version vector.
 *   id    the number by which metadata refers to a session
 *   name  node.random64@birth
 *   hlc   the highest HLC of which everything is here; NULL: known by name only
 */
const CREATE_SESSION = `CREATE TABLE ${PREFIX}session(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, hlc INTEGER)`;

/**
 * What each member has acknowledged, as far as this node has heard.
 *   node_id  whose file it is
 *   vector   JSON: session name → HLC
 *   horizon  the member's horizon
 *   hold     HLC at and above which the member acknowledges nothing (it holds quarantined rows); NULL: none
 *   folded   the last log entry it had folded: whatever it writes after that is later
 *   at       when it said so, Unix milliseconds by its own clock
 */
const CREATE_ACK = `CREATE TABLE ${PREFIX}ack(node_id TEXT PRIMARY KEY, vector TEXT NOT NULL, horizon INTEGER NOT NULL, hold INTEGER, folded INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID`;

/** How far this node has read in a peer's arrival order: good for that session of the peer only. */
const CREATE_CURSOR = `CREATE TABLE ${PREFIX}cursor(session TEXT PRIMARY KEY, arrival INTEGER NOT NULL) WITHOUT ROWID`;

/**
 * Versions that this node holds but whose images are not in their table.
 *   tbl, key  the table's number and the row's key in its canonical form
 *   id        hex, computed from table, key and version: what an operator types
 *   arrival   local order, for shipping on
 *   reason    parked (waits for the end of its cut) or the class of the error
 *   error     SQLite's words
 *   hlc       the lowest of the version's writes that is not settled; nothing at or above the lowest is acknowledged
 *   since     Unix milliseconds: when a version of the row was first kept here
 *   version   the whole row version with its image, encoded as on the wire
 */
const CREATE_QUARANTINE = `CREATE TABLE ${PREFIX}quarantine(tbl INTEGER NOT NULL, key BLOB NOT NULL, id TEXT NOT NULL UNIQUE, arrival INTEGER NOT NULL, reason TEXT NOT NULL, error TEXT NOT NULL, hlc INTEGER NOT NULL, since INTEGER NOT NULL, version BLOB NOT NULL, PRIMARY KEY(tbl, key)) WITHOUT ROWID`;

/**
 * Rows that this node's schema cannot hold yet, in the order in which they came: shipped on, and placed as soon as the
 * application has migrated the file.
 *   arrival   local order, for shipping on
 *   tbl, key  the table's name, and the row's key as canonical text under the sender's collations
 *   version   the whole row version with its image and the sender's columns, encoded as on the wire
 *   horizon   the sender's, when it came
 *   why       what the schema lacks
 *   hlc       the lowest of the version's writes that is not settled
 *   since     Unix milliseconds
 *   node      who wrote it last
 *   anew      1: other nodes may have given it up; where it finds a place, it is a write of this node's (gone-tables.ts)
 */
const CREATE_HELD = `CREATE TABLE ${PREFIX}held(arrival INTEGER PRIMARY KEY, tbl TEXT NOT NULL, key BLOB NOT NULL, version BLOB NOT NULL, horizon INTEGER NOT NULL, why TEXT NOT NULL, hlc INTEGER NOT NULL, since INTEGER NOT NULL, node TEXT NOT NULL, anew INTEGER NOT NULL DEFAULT 0, UNIQUE(tbl, key, arrival))`;

/**
 * Rows that others refer to, as they were before they were deleted here by applying: kept until the tombstone is settled.
 *   tbl, key  as in the quarantine
 *   image     the whole row, encoded as in the quarantine
 *   cause     stamp (hlc@session) of the write behind the deletion, where this node's engine deleted the row by itself; else NULL
 *   hlc       the highest of all that went into the tombstone
 */
const CREATE_FORMER = `CREATE TABLE ${PREFIX}former(tbl INTEGER NOT NULL, key BLOB NOT NULL, image BLOB NOT NULL, cause TEXT, hlc INTEGER NOT NULL, PRIMARY KEY(tbl, key)) WITHOUT ROWID`;
const INDEX_FORMER = `CREATE INDEX ${PREFIX}former_hlc ON ${PREFIX}former(hlc)`;

/**
 * Values that rows have given up, deleted or not, in columns beyond the key that others refer to.
 *   tbl      the table's number
 *   columns  JSON array of the columns' names
 *   value    their values, encoded as keys are
 *   row      JSON array of the key of the row that had them
 *   arrival  of the version that gave them up
 *   hlc      the highest of all that went into that version
 */
const CREATE_FORMER_VALUE = `CREATE TABLE ${PREFIX}former_value(tbl INTEGER NOT NULL, columns TEXT NOT NULL, value BLOB NOT NULL, row TEXT NOT NULL, arrival INTEGER NOT NULL, hlc INTEGER NOT NULL, PRIMARY KEY(tbl, columns, value, row)) WITHOUT ROWID`;
const INDEX_FORMER_VALUE = `CREATE INDEX ${PREFIX}former_value_hlc ON ${PREFIX}former_value(hlc)`;

/**
 * Rows that were applied to tables of which writes may have gone unrecorded, until somebody has compared those tables:
 * see gap-rows.ts.
 *   tbl, key  as in the quarantine
 *   hlc       of the newest log entry when the row was applied last: later ones of this node tell of later writes
 *   known     the row as it was left then, encoded as in the quarantine; NULL: none was
 *   replaced  JSON StoredConflict: what was written over, which may have been written unseen; NULL: nothing was
 */
const CREATE_GAP_ROW = `CREATE TABLE ${PREFIX}gap_row(tbl INTEGER NOT NULL, key BLOB NOT NULL, hlc INTEGER NOT NULL, known BLOB, replaced TEXT, PRIMARY KEY(tbl, key)) WITHOUT ROWID`;

/**
 * Tables that are watched instead of captured while an application's migration runs, and then until what it wrote is in
 * the log. Empty at all other times.
 *   tbl      the table's number
 *   touched  1: somebody has written to it, or it was made anew
 */
const CREATE_WATCH = `CREATE TABLE ${PREFIX}watch(tbl INTEGER PRIMARY KEY, touched INTEGER NOT NULL)`;

/**
 * Memberships of the data set, replicated: see member-table.ts.
 *   node_id    which file this is of: a node that comes back gets another
 *   name       the node's
 *   access     write or read
 *   joined_at  Unix milliseconds
 *   removed    Unix milliseconds: it belongs no more; NULL: it does, if nobody has taken its name since
 */
const CREATE_MEMBER = `CREATE TABLE ${PREFIX}member(node_id TEXT PRIMARY KEY, name TEXT, access TEXT, joined_at INTEGER, removed INTEGER) WITHOUT ROWID`;

/**
 * Rules of the data set: the same on every member by way of rule-changes.ts, never by rows that travel. A column that is
 * NULL is decided by the row of `*`, else by the default. See rules.ts.
 *   tbl            the table's name, or * for all others; where it takes in or leaves out, any glob
 *   strategy       merge, lww, version or manual
 *   node_order     JSON array of node names, the first wins: breaks ties of `version`
 *   key_collision  keep or rekey
 *   orphan         keep, delete or restore-parent
 *   included       1: taken in; 0: left out. See included-tables.ts
 *   change         hex, random: the change that made the row what it is
 *   node, at       where it was typed, and when in Unix milliseconds
 */
const CREATE_RULE = `CREATE TABLE ${PREFIX}rule(tbl TEXT PRIMARY KEY, strategy TEXT, node_order TEXT, key_collision TEXT, orphan TEXT, included INTEGER, change TEXT, node TEXT, at INTEGER) WITHOUT ROWID`;

/**
 * Conflict records, replicated, insert only. See conflict-record.ts for what the columns hold. The index lists them by
 * time, and answers filters and counts without a look at the images.
 */
const CREATE_CONFLICT = `CREATE TABLE ${PREFIX}conflict(id TEXT PRIMARY KEY, tbl TEXT, key TEXT, kind TEXT, strategy TEXT, columns TEXT, winner TEXT, loser TEXT, detail TEXT, detected_at INTEGER) WITHOUT ROWID;
  CREATE INDEX ${PREFIX}conflict_by_time ON ${PREFIX}conflict(detected_at, id, tbl, kind, strategy)`;

/**
 * Resolutions of conflicts, replicated, insert only: the latest of a conflict decides whether it is closed, so one that is
 * detected late is not opened again. The latest is that with the highest (at, id).
 *   id            hex, random
 *   conflict      the record's id
 *   choice        winner, loser, set (values of the operator's own), or undo (of the latest before)
 *   before, after JSON: [{table, key, row}, …], the rows that the resolution changed, in the order in which it did, as
 *                 they were and as it left them: the columns that it changed of a row that stayed, else all; row null:
 *                 no row
 *   node, operator, at  where, who, and when in Unix milliseconds, later than every resolution known there
 */
const CREATE_RESOLUTION = `CREATE TABLE ${PREFIX}resolution(id TEXT PRIMARY KEY, conflict TEXT, choice TEXT, before TEXT, after TEXT, node TEXT, operator TEXT, at INTEGER) WITHOUT ROWID;
  CREATE INDEX ${PREFIX}resolution_by_conflict ON ${PREFIX}resolution(conflict, at, id, choice)`;

/**
 * What operators did, replicated, insert only.
 *   id       hex, random
 *   at       Unix milliseconds
 *   node     where it was done, operator: by whom (the system's user name)
 *   command  as it was typed, without secrets; detail JSON; result: done, or an error's code
 */
const CREATE_OPERATION = `CREATE TABLE ${PREFIX}operation(id TEXT PRIMARY KEY, at INTEGER, node TEXT, operator TEXT, command TEXT, detail TEXT, result TEXT) WITHOUT ROWID`;

/**
 * Keys by which members prove who they are, replicated: see credential-table.ts.
 *   id          of the key: the beginning of its digest
 *   node        whose it is; public_key: Ed25519, base64url. NULL: the member has none, and is revoked all the same
 *   access      write or read: as what it may join
 *   issued_at, revoked  Unix milliseconds; revoked NULL: it is good
 */
const CREATE_CREDENTIAL = `CREATE TABLE ${PREFIX}credential(id TEXT PRIMARY KEY, node TEXT, public_key TEXT, access TEXT, issued_at INTEGER, revoked INTEGER) WITHOUT ROWID;
  CREATE INDEX ${PREFIX}credential_by_node ON ${PREFIX}credential(node, revoked)`;

/**
 * What nodes say of tables that others keep rows of and that they do not have themselves, replicated: see gone-tables.ts.
 *   id         the node's name and the table's, a space between them
 *   fate       of the table on that node: never (it has not been there), dropped, renamed, or present (it is back)
 *   hlc        whatever that node wrote to the table before is not later
 *   at         Unix milliseconds
 */
const CREATE_ABSENCE = `CREATE TABLE ${PREFIX}absence(id TEXT PRIMARY KEY, node TEXT, tbl TEXT, fate TEXT, hlc INTEGER, at INTEGER) WITHOUT ROWID`;

/** sqlsync's own replicated tables and their fixed numbers. */
export const INTERNAL_TABLES = [
  { id: 1, name: `${PREFIX}member`, create: CREATE_MEMBER },
  { id: 2, name: `${PREFIX}rule`, create: CREATE_RULE },
  { id: 3, name: `${PREFIX}conflict`, create: CREATE_CONFLICT },
  { id: 4, name: `${PREFIX}resolution`, create: CREATE_RESOLUTION },
  { id: 5, name: `${PREFIX}operation`, create: CREATE_OPERATION },
  { id: 6, name: `${PREFIX}credential`, create: CREATE_CREDENTIAL },
  { id: 7, name: `${PREFIX}absence`, create: CREATE_ABSENCE },
] as const;

/** The lowest number an application's table gets. */
export const FIRST_TABLE_ID = 10;

/** Tables of one node's own and their indexes, in the order in which they are made. */
export const LOCAL_TABLES: readonly string[] = [
  CREATE_STATE,
  CREATE_TABLE_REGISTRY,
  CREATE_EXCLUDED,
  CREATE_SESSION,
  CREATE_ACK,
  CREATE_CURSOR,
  CREATE_QUARANTINE,
  CREATE_HELD,
  CREATE_FORMER,
  INDEX_FORMER,
  CREATE_FORMER_VALUE,
  INDEX_FORMER_VALUE,
  CREATE_WATCH,
  CREATE_GAP_ROW,
];

/** The name of a table's metadata table. */
export const metadataTable = (tableId: number): string => `${PREFIX}meta_${tableId}`;

/**
 * A table's row metadata: only of rows that are not settled.
 *   arrival                     local order in which this node learned the version; what peers page by
 *   k1 …                        the row's key, native, unique under the key's collations
 *   alive                       1, or 0 for a tombstone
 *   hlc, session                stamp of the latest write
 *   life_hlc, life_session      stamp of the insert or delete it lives or died by; NULL: the same as the stamp.
 *                               life_session 0: settled, up to life_hlc
 *   edits                       how many writes the row has had
 *   vector                      JSON [[session id, hlc], …] of all that went into it; NULL: the stamp alone
 *   cols                        JSON [[column id, session id, hlc], …] of columns written later than the life; NULL: none
 *   unsaid                      JSON [[column id, edits, session id, hlc], …] of columns of which the row's own writer says
 *                               nothing, each with the write that its value is from, or alone: nobody's. NULL: none
 */
export function createMetadata(tableId: number, identity: TableIdentity): string {
  const name = metadataTable(tableId);
  const integer = identity.source === 'integer-primary-key';
  const keys = identity.columns.map((column, i) =>
    integer
      ? `${keyColumn(i)} INTEGER NOT NULL`
      : `${keyColumn(i)} NOT NULL COLLATE ${quoteIdentifier(column.collation)}`,
  );
  const names = identity.columns.map((_, i) => keyColumn(i)).join(', ');
  return `CREATE TABLE ${name}(arrival INTEGER PRIMARY KEY, ${keys.join(', ')}, alive INTEGER NOT NULL, hlc INTEGER NOT NULL, session INTEGER NOT NULL, life_hlc INTEGER, life_session INTEGER, edits INTEGER NOT NULL, vector TEXT, cols TEXT, unsaid TEXT, UNIQUE(${names}))`;
}
