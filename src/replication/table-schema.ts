/**
 * What the engine knows of an application's table. Reading it from a file is read-schema.ts's work.
 */

import type { SqlExpression } from './sql-expression.js';

/** SQLite's column affinities (https://sqlite.org/datatype3.html, section 3.1). A STRICT table's ANY column is BLOB. */
export type Affinity = 'BLOB' | 'TEXT' | 'NUMERIC' | 'INTEGER' | 'REAL';

/** How an affinity is told on the wire. */
export const AFFINITY_LETTERS: Readonly<Record<Affinity, string>> = {
  BLOB: 'B',
  TEXT: 'T',
  NUMERIC: 'N',
  INTEGER: 'I',
  REAL: 'R',
};

export interface ColumnSchema {
  readonly name: string;
  readonly declaredType: string;
  readonly affinity: Affinity;
  /** BINARY, NOCASE, RTRIM, or one of the application's own. */
  readonly collation: string;
  readonly notNull: boolean;
  /** The DEFAULT as SQL; null when there is none. */
  readonly defaultSql: string | null;
  /** Generated columns are read from no image and never shipped. */
  readonly generated: 'no' | 'virtual' | 'stored';
  /** What a generated column is computed from; null for others. */
  readonly generator: SqlExpression | null;
}

/** What tells a table's rows apart. `integer-primary-key` keys are allocated by SQLite when the application gives none. */
export interface TableIdentity {
  readonly source: 'integer-primary-key' | 'primary-key' | 'unique-index';
  /** Key columns in order, each with the collation under which identity is equality. */
  readonly columns: readonly { readonly name: string; readonly collation: string; readonly affinity: Affinity }[];
}

/** One term of an index: a column, or an expression as SQL over bare column names. */
export interface IndexTerm {
  readonly column: string | null;
  readonly expression: string | null;
  /** The columns the term is computed from. */
  readonly reads: readonly string[];
  readonly collation: string;
}

/** A UNIQUE index that can refuse two rows which the identity tells apart. */
export interface UniqueIndexSchema {
  readonly name: string;
  readonly terms: readonly IndexTerm[];
  /** A partial index's WHERE as SQL; null for an index over all rows. */
  readonly where: string | null;
}

export interface ForeignKeySchema {
  readonly columns: readonly string[];
  readonly parentTable: string;
  /** Empty: the parent's primary key. */
  readonly parentColumns: readonly string[];
  readonly onUpdate: string;
  readonly onDelete: string;
}

export interface TableSchema {
  readonly name: string;
  readonly withoutRowid: boolean;
  readonly strict: boolean;
  readonly columns: readonly ColumnSchema[];
  readonly identity: TableIdentity;
  readonly uniqueIndexes: readonly UniqueIndexSchema[];
  readonly foreignKeys: readonly ForeignKeySchema[];
  /** Hash of what two nodes must have alike to exchange this table: columns, affinities, identity, unique indexes. */
  readonly hash: string;
}

/** How concurrent versions of a table's rows are settled. `manual`: as lww, until a person has decided. */
export type Strategy = 'merge' | 'lww' | 'version' | 'manual';

/** What the data set's rules say of one table. */
export interface TableRules {
  readonly strategy: Strategy;
  /** Node names, the first wins: breaks ties of `version`; [] when the table names none. */
  readonly nodeOrder: readonly string[];
  /** What becomes of the losing row when two nodes gave one allocated key to two rows. */
  readonly keyCollision: 'keep' | 'rekey';
  /** What becomes of a row whose parent was deleted on another node. */
  readonly orphan: 'keep' | 'delete' | 'restore-parent';
}

/** A column with the number that stands for it in masks and column stamps: its bit. Numbers are never used again. */
export interface CapturedColumn {
  readonly id: number;
  readonly name: string;
}

/** A table the file's registry names: it has a number, a metadata table `_sqlsync_meta_<id>`, and triggers unless internal. */
export interface CapturedTable {
  readonly id: number;
  readonly name: string;
  /** The columns that ship, in the table's order: generated ones are not among them. */
  readonly columns: readonly CapturedColumn[];
  readonly schema: TableSchema;
  readonly rules: TableRules;
  /** One of sqlsync's own replicated tables (members, conflicts …): written by the engine, captured without triggers. */
  readonly internal: boolean;
}
