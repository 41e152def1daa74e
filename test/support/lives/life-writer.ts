/**
 * An application that writes on one node all the while, whatever is done to the file: it looks which tables and columns
 * are there, as one that is deployed with its migrations would know. A transaction that fails changes nothing and is not
 * missed; one that was acknowledged is.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import { withReader } from '../compare-files.js';
import { type ApplicationKind, ForeignApplication } from '../foreign-application.js';
import type { Random } from '../seeded-random.js';
import type { LifeValues } from './life-values.js';

/** Between two transactions. */
const PAUSE_MS = 25;
/** Rows that several applications write to. */
const SHARED_ROWS = 60;
const SLOTS = 40;

/** What an application may be told while its file is migrated under it. */
const EXPECTED = /constraint failed|no such (table|column)|has no column named|no column named|schema has changed/i;

interface TableShape {
  readonly name: string;
  readonly texts: readonly string[];
  readonly columns: number;
  readonly hasTextKey: boolean;
  readonly hasSlot: boolean;
}

interface Transaction {
  readonly statements: readonly string[];
  readonly values: readonly string[];
}

export interface WriterDeps {
  readonly random: Random;
  readonly values: LifeValues;
  onCommitted(): void;
}

export class LifeWriter {
  private application: ForeignApplication | null = null;
  private made = 0;
  private killed = false;
  private stopped = false;
  private pausing: { readonly reached: () => void; readonly over: Promise<void> } | null = null;
  private resumed: () => void = () => {};

  constructor(
    readonly name: string,
    private readonly kind: ApplicationKind,
    public node: { readonly name: string; readonly path: string },
    private readonly deps: WriterDeps,
  ) {}

  async work(): Promise<void> {
    while (!this.stopped) {
      if (this.pausing !== null) await this.rest();
      else await this.write();
      await delay(PAUSE_MS);
    }
    await this.close();
  }

  stop(): void {
    this.stopped = true;
    this.resume();
  }

  /** Kills the process, most often in the middle of a transaction. */
  kill(): void {
    if (this.application === null) return;
    this.killed = true;
    this.application.kill();
  }

  /** Resolves when the application has closed the file. */
  pause(): Promise<void> {
    return new Promise((reached) => {
      const over = new Promise<void>((resolve) => {
        this.resumed = resolve;
      });
      this.pausing = { reached, over };
    });
  }

  resume(): void {
    this.pausing = null;
    this.resumed();
  }

  private async rest(): Promise<void> {
    const pausing = this.pausing;
    await this.close();
    pausing?.reached();
    await pausing?.over;
  }

  private async close(): Promise<void> {
    await this.application?.close();
    this.application = null;
  }

  private async write(): Promise<void> {
    const transaction = this.next();
    if (transaction === null) return;
    this.application ??= new ForeignApplication(this.kind, this.node.path);
    try {
      await this.application.commit(...transaction.statements);
      this.deps.values.acknowledge(
        transaction.values,
        `${this.name}: ${transaction.statements.join('; ').slice(0, 300)}`,
      );
      this.deps.onCommitted();
    } catch (error) {
      const { message } = error as Error;
      if (!this.killed && !EXPECTED.test(message)) throw new Error(`${this.name}: ${message}`);
      this.killed = false;
      await this.close();
    }
  }

  private next(): Transaction | null {
    const tables = withReader(this.node.path, readShapes);
    if (tables.length === 0) return null;
    const values: string[] = [];
    const statements: string[] = [];
    for (let n = 1 + this.deps.random.int(3); n > 0; n -= 1) {
      statements.push(...this.statements(this.deps.random.pick(tables), tables, values));
    }
    return { statements, values };
  }

  private statements(table: TableShape, tables: readonly TableShape[], values: string[]): string[] {
    const { random } = this.deps;
    const column = random.pick(table.texts);
    const value = this.value(table, values);
    if (!table.hasTextKey) return [`INSERT INTO "${table.name}"("${column}") VALUES('${value}')`];
    const roll = random.next();
    if (roll < 0.3) return [`INSERT INTO "${table.name}"(id, "${column}") VALUES('${this.newKey()}', '${value}')`];
    const key = `k${random.int(SHARED_ROWS)}`;
    const archive = tables.find(({ name }) => name === 'archive');
    if (roll < 0.75 || archive === undefined || table === archive || table.name.startsWith('scratch')) {
      return [
        `INSERT INTO "${table.name}"(id, "${column}") VALUES('${key}', '${value}')
           ON CONFLICT(id) DO UPDATE SET "${column}" = '${value}' || coalesce("${column}", '')`,
      ];
    }
    if (roll < 0.85) return this.move(table, archive, key, value);
    return this.replace(table, archive, key, value);
  }

  /** Deletes a row, and keeps what it held in another. */
  private move(table: TableShape, archive: TableShape, key: string, value: string): string[] {
    return [
      ...sameShape(table, archive),
      `INSERT INTO archive(id, value) VALUES('${this.newKey()}', '${value}' || coalesce((SELECT ${all(table)} FROM "${table.name}" WHERE id = '${key}'), ''))`,
      `DELETE FROM "${table.name}" WHERE id = '${key}'`,
    ];
  }

  /** Takes the place of a row, and of the one that has its slot. */
  private replace(table: TableShape, archive: TableShape, key: string, value: string): string[] {
    const slot = table.hasSlot ? String(this.deps.random.int(SLOTS)) : null;
    const which = `id = '${key}'${slot === null ? '' : ` OR slot = ${slot}`}`;
    const chain = `'${value}' || coalesce((SELECT group_concat(${all(table)}, '') FROM "${table.name}" WHERE ${which}), '')`;
    const recursive = this.deps.random.chance(0.5) ? 'ON' : 'OFF';
    return [
      `PRAGMA recursive_triggers = ${recursive}`,
      ...sameShape(table, archive),
      slot === null
        ? `INSERT OR REPLACE INTO "${table.name}"(id, "${table.texts[0]}") VALUES('${key}', ${chain})`
        : `INSERT OR REPLACE INTO "${table.name}"(id, slot, "${table.texts[0]}") VALUES('${key}', ${slot}, ${chain})`,
    ];
  }

  /** Of tables that migrations drop nobody asks for the values. */
  private value(table: TableShape, values: string[]): string {
    const value = this.deps.values.next();
    if (table.name.startsWith('scratch')) return value.replace('v', 's');
    values.push(value);
    return value;
  }

  private newKey(): string {
    this.made += 1;
    return `${this.name} ${this.made}`;
  }
}

/** All texts of a row, one after the other. */
function all({ texts }: TableShape): string {
  return texts.map((text) => `coalesce("${text}", '')`).join(' || ');
}

/** Fails the transaction where a migration has come in between: a column would go unread. */
function sameShape(...tables: readonly TableShape[]): string[] {
  return tables.map(
    ({ name, columns }) =>
      `INSERT INTO archive(id) SELECT NULL WHERE (SELECT count(*) FROM pragma_table_info('${name}')) <> ${columns}`,
  );
}

function readShapes(db: Database): TableShape[] {
  const names = db
    .prepare<[], string>(
      `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
         AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_sqlsync_*' ORDER BY name`,
    )
    .pluck()
    .all();
  return names.map((name) => {
    const columns = db
      .prepare<[string], { name: string; type: string; pk: number }>('SELECT name, type, pk FROM pragma_table_info(?)')
      .all(name);
    return {
      name,
      texts: columns.filter(({ type, pk }) => pk === 0 && type === 'TEXT').map((column) => column.name),
      columns: columns.length,
      hasTextKey: columns.some(({ type, pk }) => pk > 0 && type === 'TEXT'),
      hasSlot: columns.some((column) => column.name === 'slot'),
    };
  });
}
