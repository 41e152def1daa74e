/**
 * This node's rows for a comparison with another's: ranges of a table by their bytes, lists of rows by their hashes, and
 * single rows with what went into them; and the writes by which the nodes agree again. Each call is one bounded look at
 * the file, or one transaction.
 *
 * Ranges and lists are read as the file is at that moment, folded or not: where two nodes find the same, nothing more is
 * asked. Rows that seem to differ are judged out of a snapshot in which all is folded, by what each side then has.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { type ClaimPlace, claimRows, FIRST_PLACE } from './claim-rows.js';
import type { ComparedTable } from './compare-messages.js';
import { hashOfValues } from './compared-values.js';
import type { Engine } from './engine.js';
import { judgeAllReplaced, judgeReplaced } from './judge-replaced.js';
import { type KeyOrder, type KeyRange, readKeyOrder } from './key-order.js';
import { OP } from './metadata-schema.js';
import { insertOperation, OPERATION_TABLE } from './operation-record.js';
import { type KeyedRow, RangeReader } from './range-reader.js';
import { isLookLocking, readBriefly } from './read-briefly.js';
import type { ReplicatedTable } from './replicated-table.js';
import {
  type Disagreement,
  keepBeforeYielding,
  type OtherNode,
  overrule,
  type RowToRewrite,
  rewriteRows,
} from './row-repair.js';
import { type SqlValue, vectorOf } from './row-version.js';
import type { VersionVector } from './version-vector.js';
import { WireWriter } from './wire-writer.js';

/** Bounds of one look: what is read from one snapshot while everybody else waits for this process. */
const LOOK_ROWS_MAX = 2048;
const LOOK_BYTES_MAX = 512 * 1024;

/** Readers kept ready: one for each spelling of a table that somebody compares. */
const READERS_MAX = 64;

/** The first rows of a range. */
export interface RangeSlice {
  readonly rows: number;
  /** Their values, one after the other. */
  readonly bytes: Buffer;
  /** The key of the last of them; null: there is none. */
  readonly last: readonly SqlValue[] | null;
  /** The range holds no more. */
  readonly isEnd: boolean;
}

export interface ListedRow {
  readonly key: readonly SqlValue[];
  readonly hash: string;
}

/** A row as it is at a moment at which all is folded. */
export interface JudgedRow {
  /** Null: it is not there. */
  readonly image: readonly SqlValue[] | null;
  /** All that went into it; null: it is settled. */
  readonly vector: VersionVector | null;
}

export class Comparison {
  private readers = new Map<string, RangeReader>();
  private generation = -1;
  /** How far rows have been claimed before a gap is closed; null: not begun, or done. */
  private claimed: ClaimPlace | null = null;
  private readonly writer = new WireWriter();

  constructor(private readonly engine: Engine) {}

  /** Does a look keep the application's writers out? Then there must be pauses between them. */
  get holdsLock(): boolean {
    return isLookLocking(this.engine);
  }

  /**
   * Have writes perhaps gone unrecorded here, and to which of the tables that still replicate? By the mark closeGap knows
   * that none were found since.
   */
  get gap(): { readonly isOpen: boolean; readonly tables: readonly string[]; readonly mark: number } {
    const { state, tables, schemaGeneration: mark } = this.engine;
    const gap = state.captureGap;
    const named = gap?.tables ?? [];
    return { isOpen: gap !== null, tables: named.filter((name) => tables.named(name) !== undefined), mark };
  }

  /**
   * Goes before closeGap, step by step, where there are other members than the peer that was compared with: see
   * claim-rows.ts. Says whether there is more.
   */
  claimRows(peerId: string): boolean {
    const { engine } = this;
    return engine.writeTransaction(() => {
      if (!engine.foldBeforeApply()) return true;
      this.claimed = claimRows(engine, peerId, this.claimed ?? FIRST_PLACE);
      engine.foldToEnd();
      return this.claimed !== null;
    });
  }

  /** Part of what closeGap does, where much was written over: says whether there is more. */
  judgeReplaced(): boolean {
    const { engine } = this;
    return !engine.gapRows.isEmpty && engine.writeTransaction(() => judgeReplaced(engine).more);
  }

  /**
   * All that the gap hid has been found: by comparing with `peer`, after which so many rows were written again; null: this
   * node is the only member, and nobody has other rows. Entered among the operations. False: more has been missed since.
   */
  closeGap(mark: number, found: { readonly peer: string | null; readonly rowsWritten: number }): boolean {
    const { engine } = this;
    const { tables } = this.gap;
    return engine.writeTransaction(() => {
      if (engine.schemaGeneration !== mark) return false;
      engine.state.set('gap', '');
      judgeAllReplaced(engine);
      const id = engine.options.random.hex(16);
      const node = engine.state.get('node');
      const who = { id, node, operator: 'sqlsync', command: 'close gap', detail: { tables, ...found }, result: 'done' };
      insertOperation(engine.options.writer, who, engine.clock.nowMs());
      engine.logOwnWrite(OPERATION_TABLE.id, OP.insert, [id], 0);
      return true;
    });
  }

  /** The application's replicated tables, each as this file reads it best. */
  tables(): ComparedTable[] {
    const own = this.engine.tables.all.filter(({ captured }) => !captured.internal);
    return own.map(({ definition, captured }) => {
      const { descending } = readKeyOrder(this.engine.options.install, captured);
      const key = definition.key.map((column, i) => ({
        column,
        collation: definition.collations[i] as string,
        descending: descending[i] ?? false,
      }));
      return { name: definition.name, columns: [...definition.columns], key };
    });
  }

  /** The first rows of a range, at most `rowsMax`, as bytes in which any difference shows. */
  readRange(table: ComparedTable, range: KeyRange, rowsMax = LOOK_ROWS_MAX): RangeSlice {
    let last: readonly SqlValue[] | null = null;
    const { rows, isEnd } = this.look(table, range, rowsMax, ({ key, image }) => {
      for (const value of image) this.writer.value(value);
      last = key;
      return this.writer.size;
    });
    return { rows, bytes: this.writer.take(), last, isEnd };
  }

  /** The same rows by key and hash. */
  listRange(table: ComparedTable, range: KeyRange, rowsMax: number): { rows: ListedRow[]; isEnd: boolean } {
    const rows: ListedRow[] = [];
    let bytes = 0;
    const { isEnd } = this.look(table, range, rowsMax, ({ key, image }) => {
      for (const value of image) this.writer.value(value);
      bytes += this.writer.size;
      this.writer.take();
      rows.push({ key, hash: hashOfValues(image) });
      return bytes;
    });
    return { rows, isEnd };
  }

  /** Calls back for rows until there are `rowsMax`, or the bytes that it returns reach the bound. */
  private look(
    table: ComparedTable,
    range: KeyRange,
    rowsMax: number,
    visit: (row: KeyedRow) => number,
  ): { rows: number; isEnd: boolean } {
    // What a look before has left behind when it failed.
    this.writer.take();
    return readBriefly(this.engine, (db) => {
      let rows = 0;
      let isFull = false;
      for (const row of this.reader(db, table).rows(range)) {
        if (isFull) return { rows, isEnd: false };
        const bytes = visit(row);
        rows += 1;
        isFull = rows >= Math.min(rowsMax, LOOK_ROWS_MAX) || bytes >= LOOK_BYTES_MAX;
      }
      return { rows, isEnd: true };
    });
  }

  /** The rows with these keys, all of one moment. */
  judge(table: ComparedTable, keys: readonly (readonly SqlValue[])[]): JudgedRow[] {
    const snapshot = this.engine.openSnapshot();
    try {
      const reader = this.reader(snapshot.db, table);
      const { metadata } = this.tableOf(table);
      return keys.map((key) => {
        const version = metadata.get(key);
        return { image: reader.read(key), vector: version === undefined ? null : vectorOf(version) };
      });
    } finally {
      snapshot.close();
    }
  }

  /** Writes rows again as they are here. False: try again. See row-repair.ts for this and the next two. */
  rewrite(table: ComparedTable, rows: readonly RowToRewrite[]): boolean {
    return rewriteRows(this.engine, this.tableOf(table), rows);
  }

  /** Writes rows again as they are here, and keeps what the other node has. */
  overrule(table: ComparedTable, rows: readonly Disagreement[], other: OtherNode, strategy: 'repair' | 'own'): boolean {
    const them = { table: this.tableOf(table), columns: table.columns, rows, other };
    return overrule(this.engine, them, strategy === 'own' ? them.table.captured.rules.strategy : strategy);
  }

  /** Keeps what this node has in rows that the other is about to write again. */
  keepBeforeYielding(table: ComparedTable, rows: readonly Disagreement[], other: OtherNode): boolean {
    return keepBeforeYielding(this.engine, { table: this.tableOf(table), columns: table.columns, rows, other });
  }

  /** The table, if it has here what the other side means. Throws 'schema-differs'. */
  tableOf({ name, columns, key }: ComparedTable): ReplicatedTable {
    const table = this.engine.tables.named(name);
    if (table === undefined || table.captured.internal) throw differs(`there is no table ${name}`);
    const { definition } = table;
    const lacking = columns.find((column) => !definition.columns.includes(column));
    if (lacking !== undefined) throw differs(`table ${name} has no column ${lacking}`);
    const isKey =
      key.length === definition.key.length &&
      key.every(({ column, collation }, i) => column === definition.key[i] && collation === definition.collations[i]);
    if (!isKey || !definition.key.every((column) => columns.includes(column))) {
      throw differs(`the key of table ${name} is another`);
    }
    return table;
  }

  private reader(db: Database, table: ComparedTable): RangeReader {
    if (this.generation !== this.engine.schemaGeneration || this.readers.size > READERS_MAX) this.readers = new Map();
    this.generation = this.engine.schemaGeneration;
    const name = `${db === this.engine.options.writer} ${JSON.stringify(table)}`;
    let reader = this.readers.get(name);
    if (reader === undefined) {
      const { captured } = this.tableOf(table);
      const order: KeyOrder = {
        descending: table.key.map(({ descending }) => descending),
        index: readKeyOrder(db, captured).index,
      };
      reader = new RangeReader(db, captured, table.columns, order);
      this.readers.set(name, reader);
    }
    return reader;
  }
}

function differs(what: string): SqlsyncError {
  return new SqlsyncError('schema-differs', what, {
    hint: 'run the application’s migration on the node that is behind; nothing is lost meanwhile',
  });
}
