/**
 * The whole of sqlsync in one sitting: a shop's database becomes a node, a second node joins, applications write on both,
 * and both write one row while they are apart. Every step is done by the real program on real files and checked; what
 * does not come out as it should is an error.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { SqlsyncError } from '../../errors.js';
import { renderCount } from '../../render-figures.js';
import { DemoNode, type Row } from './demo-node.js';

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE product(sku TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, price REAL NOT NULL, stock INTEGER NOT NULL);
  CREATE TABLE sale(id TEXT PRIMARY KEY NOT NULL, sku TEXT NOT NULL REFERENCES product, quantity INTEGER NOT NULL, shop TEXT NOT NULL);
  INSERT INTO product VALUES
    ('tea', 'Assam, 100 g', 4.2, 40), ('coffee', 'Yirgacheffe, 250 g', 9.5, 25), ('cocoa', 'Cocoa, 200 g', 5.1, 12);`;
const TABLES = ['product', 'sale'];

const WAIT_MS_MAX = 15_000;
const LOOK_AGAIN_MS = 2;

export interface DemoDeps {
  /** The script that is the command line. */
  readonly program: string;
  readonly signal: AbortSignal;
  /** A heading, something typed, something that came out. */
  readonly tell: (kind: 'step' | 'typed' | 'result', text: string) => void;
}

export interface DemoReport {
  readonly equal: boolean;
  /** Rows of each table, the same on both nodes. */
  readonly rows: Readonly<Record<string, number>>;
  /** How long a commit took to be seen on the other node. */
  readonly visibleAfterMs: readonly number[];
  readonly conflict: {
    readonly kind: string;
    readonly columns: readonly string[];
    readonly winner: Row;
    readonly loser: Row;
  };
  readonly elapsedMs: number;
}

export async function runDemo(deps: DemoDeps): Promise<DemoReport> {
  const startedMs = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'sqlsync-demo-'));
  const nodes: DemoNode[] = [];
  try {
    for (const name of ['paris', 'lyon']) nodes.push(new DemoNode(name, folder, deps.program, deps.signal));
    const story = new Story(nodes[0] as DemoNode, nodes[1] as DemoNode, deps);
    const told = await story.tell();
    return { ...told, elapsedMs: Math.round(performance.now() - startedMs) };
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
}

class Story {
  constructor(
    private readonly paris: DemoNode,
    private readonly lyon: DemoNode,
    private readonly deps: DemoDeps,
  ) {}

  async tell(): Promise<Omit<DemoReport, 'elapsedMs'>> {
    await this.beginInParis();
    await this.joinInLyon();
    const visibleAfterMs = await this.writeOnBoth();
    const conflict = await this.writeOneRowApart();
    const rows = await this.compare();
    return { equal: true, rows, visibleAfterMs, conflict };
  }

  private async beginInParis(): Promise<void> {
    this.step('Paris has a shop database. It becomes a node: triggers go in, the application stays as it is.');
    const db = new Sqlite(this.paris.databasePath);
    db.exec(SCHEMA);
    db.close();
    await this.type(this.paris, 'init', 'shop.db', '--node', 'paris', '--listen', '127.0.0.1:0');
  }

  private async joinInLyon(): Promise<void> {
    this.step('Lyon joins: the file comes over HTTP from the daemon in Paris. Both share one secret.');
    this.deps.tell('typed', 'paris$ sqlsync start &');
    const listen = await this.paris.startDaemon();
    const secret = join(this.paris.folder, 'sqlsync.secret');
    await this.type(this.lyon, 'join', `http://${listen}`, 'shop.db', '--node', 'lyon', '--secret-file', secret);
    this.deps.tell('typed', 'lyon$ sqlsync start &');
    await this.lyon.startDaemon();
  }

  private async writeOnBoth(): Promise<number[]> {
    this.step('Applications write on both nodes, each to its own file, through plain SQLite.');
    const sale = `INSERT INTO sale VALUES ('p-1', 'tea', 2, 'paris')`;
    const toLyon = await this.write(this.paris, sale, this.lyon, `SELECT 1 FROM sale WHERE id = 'p-1'`);
    const restock = `UPDATE product SET stock = stock + 50 WHERE sku = 'coffee'`;
    const toParis = await this.write(this.lyon, restock, this.paris, `SELECT 1 FROM product WHERE stock = 75`);
    return [toLyon, toParis];
  }

  /** Writes on one node and waits until the other's application sees it; returns how long that took. */
  private async write(from: DemoNode, sql: string, to: DemoNode, seen: string): Promise<number> {
    await to.sql(seen);
    this.deps.tell('typed', `${from.name}> ${sql};`);
    await from.sql(sql);
    const tookMs = await this.until(`${to.name} sees it`, async () => (await to.sql(seen)).length > 0);
    this.deps.tell('result', `seen in ${to.name} after ${tookMs} ms`);
    return tookMs;
  }

  private async writeOneRowApart(): Promise<DemoReport['conflict']> {
    this.step('The link goes down, and both change the price of tea. Lyon also sells some.');
    await this.type(this.lyon, 'peers', 'pause', 'paris');
    await this.say(this.paris, `UPDATE product SET price = 4.5 WHERE sku = 'tea'`);
    // Of two writes in one millisecond chance would say which is the later.
    await delay(10);
    await this.say(this.lyon, `UPDATE product SET price = 4.9, stock = stock - 3 WHERE sku = 'tea'`);
    await this.type(this.lyon, 'peers', 'resume', 'paris');
    const records = `SELECT kind, columns, winner, loser FROM _sqlsync_conflict`;
    await this.until('both nodes know of the conflict', async () => {
      const found = await Promise.all([this.paris.sql(records), this.lyon.sql(records)]);
      return found.every((rows) => rows.length === 1);
    });
    const [record] = (await this.paris.sql(records)) as {
      kind: string;
      columns: string;
      winner: string;
      loser: string;
    }[];
    if (record === undefined) throw unexpected('there is no conflict record');
    const conflict = {
      kind: record.kind,
      columns: JSON.parse(record.columns) as string[],
      winner: JSON.parse(record.winner) as Row,
      loser: JSON.parse(record.loser) as Row,
    };
    await this.checkTea(conflict);
    return conflict;
  }

  private async checkTea({ kind, columns, winner, loser }: DemoReport['conflict']): Promise<void> {
    const [tea] = await this.paris.sql(`SELECT price, stock FROM product WHERE sku = 'tea'`);
    if (tea?.price !== 4.9 || tea.stock !== 37) throw unexpected(`tea is ${JSON.stringify(tea)}`);
    this.deps.tell('result', `${kind} in ${columns.join(', ')}: ${winner.node} wrote later, its price of 4.9 stands`);
    this.deps.tell('result', `what ${loser.node} wrote is kept: ${JSON.stringify(loser.row)}`);
    this.deps.tell('result', 'the stock is 37: nobody else wrote that column, so it merged');
  }

  private async compare(): Promise<Record<string, number>> {
    this.step('Both files hold the same.');
    const rows: Record<string, number> = {};
    for (const table of TABLES) {
      const sql = `SELECT * FROM ${table} ORDER BY 1`;
      const [here, there] = await Promise.all([this.paris.sql(sql), this.lyon.sql(sql)]);
      if (JSON.stringify(here) !== JSON.stringify(there)) throw unexpected(`${table} differs between the nodes`);
      rows[table] = here.length;
      this.deps.tell('result', `${table}: ${renderCount(here.length, 'row')}, equal`);
    }
    return rows;
  }

  private step(text: string): void {
    this.deps.signal.throwIfAborted();
    this.deps.tell('step', text);
  }

  private async type(node: DemoNode, ...args: readonly string[]): Promise<void> {
    const shown = args.map((arg) => (arg.startsWith('/') ? '../paris/sqlsync.secret' : arg));
    this.deps.tell('typed', `${node.name}$ sqlsync ${shown.join(' ')}`);
    const lines = (await node.command(...args)).trim().split('\n');
    for (const line of lines.filter((text) => text !== ''))
      this.deps.tell('result', line.replaceAll(`${node.folder}/`, ''));
  }

  private async say(node: DemoNode, sql: string): Promise<void> {
    this.deps.tell('typed', `${node.name}> ${sql};`);
    await node.sql(sql);
  }

  /** Waits until something is so; returns after how many milliseconds. */
  private async until(what: string, isSo: () => Promise<boolean>): Promise<number> {
    const startedMs = performance.now();
    while (!(await isSo())) {
      if (performance.now() - startedMs > WAIT_MS_MAX) throw unexpected(`waited ${WAIT_MS_MAX} ms until ${what}`);
      await delay(LOOK_AGAIN_MS, undefined, { signal: this.deps.signal });
    }
    return Math.round(performance.now() - startedMs);
  }
}

function unexpected(what: string): SqlsyncError {
  return new SqlsyncError('bug', `the demo did not come out as it should: ${what}`);
}
