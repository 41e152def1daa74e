/**
 * A node in this process, on a real file: the connections a daemon has, one for an application, and exchanges without a
 * network. What crosses is encoded and decoded as on the wire.
 */
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import type { EngineLimits } from '../../src/replication/engine.js';
import { initialiseNode } from '../../src/replication/initialise.js';
import { planCapture } from '../../src/replication/plan-capture.js';
import { Replica } from '../../src/replication/replica.js';
import { prepareSnapshot } from '../../src/replication/snapshot.js';
import type { DecodedRows, Stage } from '../../src/replication/stage.js';
import { PAYLOAD } from '../../src/replication/wire-frames.js';
import type { EndMarker, Hello, TableDefinition } from '../../src/replication/wire-messages.js';
import { RowsDecoder } from '../../src/replication/wire-rows.js';

export const TEST_LIMITS: EngineLimits = {
  foldEntriesMax: 20_000,
  applyTransactionRowsMax: 20_000,
  applyTransactionBytesMax: 8 * 1024 * 1024,
  lockHoldMsMax: 100,
  clockAheadSecondsMax: 300,
};

const clock = { nowMs: () => Date.now() };
const random = { hex: (bytes: number) => randomBytes(bytes).toString('hex') };
let stages = 0;

export class EngineNode {
  readonly path: string;
  app: Database;
  private handles: Database[] = [];
  replica!: Replica;
  /** The engine's own connection. */
  writer!: Database;

  constructor(
    readonly directory: string,
    readonly name: string,
    readonly limits: EngineLimits,
  ) {
    this.path = join(directory, `${name}.db`);
    this.app = this.openApp();
  }

  private openApp(): Database {
    const app = new SqliteDatabase(this.path);
    app.pragma('synchronous = OFF');
    return app;
  }

  /** Opens the engine's side, as a process that starts does. */
  open(): void {
    const handle = () => {
      const db = new SqliteDatabase(this.path, { timeout: 5000 });
      db.pragma('foreign_keys = OFF');
      db.pragma('synchronous = OFF');
      this.handles.push(db);
      return db;
    };
    this.writer = handle();
    this.replica = Replica.open({
      writer: this.writer,
      reader: handle(),
      install: handle(),
      clock,
      random,
      limits: this.limits,
    });
  }

  /** Ends the engine's side, as a process that is killed does. */
  kill(): void {
    for (const handle of this.handles) handle.close();
    this.handles = [];
  }

  close(): void {
    this.kill();
    this.app.close();
  }

  /** Keeps a copy of the file as it is now. */
  backUp(): void {
    this.app.pragma('wal_checkpoint(TRUNCATE)');
    copyFileSync(this.path, `${this.path}.backup`);
  }

  /** Puts the copy in the file's place, as an operator does who forgets `sqlsync rejoin`. */
  restore(): void {
    this.close();
    for (const side of ['-wal', '-shm', '-journal']) rmSync(this.path + side, { force: true });
    copyFileSync(`${this.path}.backup`, this.path);
    this.app = this.openApp();
    this.open();
  }

  foldAll(): void {
    while (this.replica.fold().more);
  }

  hello(): Hello {
    return this.replica.hello('test');
  }

  /** Pulls all that `from` has. Returns how many rows came, or why nothing did. */
  pull(from: EngineNode): number | string {
    const refusal = this.replica.checkPeer(this.hello(), from.hello());
    if (refusal !== null) return refusal.code;
    if (from.hello().catchingUp) return 'catching-up';
    const stage = stageOf(from, this.hello());
    const application = this.replica.beginApply(stage);
    while (!application.step().done);
    this.replica.acknowledge(from.hello());
    return stage.rows;
  }

  /** Every captured table: name → rows as quoted SQL text with their storage classes, in key order. */
  data(): Record<string, string[]> {
    return dataOf(this.app);
  }
}

export function dataOf(db: Database): Record<string, string[]> {
  const names = db
    .prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '_sqlsync_*' AND name NOT GLOB 'sqlite_*' ORDER BY name",
    )
    .pluck()
    .all() as string[];
  return Object.fromEntries(names.map((name) => [name, rowsOf(db, name)]));
}

function rowsOf(db: Database, table: string): string[] {
  const quoted = `"${table.replaceAll('"', '""')}"`;
  const columns = db.prepare('SELECT name FROM pragma_table_info(?)').pluck().all(table) as string[];
  const values = columns
    .map((c) => `"${c.replaceAll('"', '""')}"`)
    .map((c) => `typeof(${c}) || ' ' || hex(${c}) || ' ' || quote(${c})`);
  return (
    db
      .prepare(`SELECT ${values.join(" || '|' || ")} FROM ${quoted}`)
      .pluck()
      .all() as string[]
  ).sort();
}

export function stageOf(from: EngineNode, receiver: Hello): Stage {
  const sender = from.hello();
  const cut = from.replica.openCut(receiver);
  const payloads: Buffer[] = [];
  for (let payload = cut.next(); payload !== null; payload = cut.next()) payloads.push(payload);
  const end: EndMarker = cut.end();
  stages += 1;
  return {
    id: `stage-${stages}`,
    sender,
    end,
    rows: end.rows,
    bytes: payloads.reduce((sum, payload) => sum + payload.length, 0),
    batches: () => decode(payloads),
  };
}

function* decode(payloads: readonly Buffer[]): Generator<DecodedRows> {
  const decoder = new RowsDecoder();
  const tables: TableDefinition[] = [];
  for (const payload of payloads) {
    const message = () => JSON.parse(payload.toString('utf8', 1));
    if (payload[0] === PAYLOAD.table) {
      tables.push(message());
      decoder.addTable(message());
    } else if (payload[0] === PAYLOAD.sessions) decoder.addSessions(message());
    else yield { tables, rows: decoder.decode(payload) };
  }
}

/** A data set of nodes that all begin as copies of one file. */
export class EngineCluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'sqlsync-test-'));
  readonly nodes: EngineNode[] = [];

  constructor(
    schema: string | ((db: Database) => void),
    count: number,
    options: {
      limits?: Partial<EngineLimits>;
      strategies?: Record<string, string>;
      /** Columns of the rule table beyond the strategy, by table; `*` for all. */
      rules?: Record<string, { orphan?: string; key_collision?: string }>;
      exclude?: string[];
      /** Set on the empty file, before anything is in it. */
      pragmas?: readonly string[];
      journalMode?: string;
      /** n0, n1 … if left out. */
      names?: readonly string[];
    } = {},
  ) {
    const limits = { ...TEST_LIMITS, ...options.limits };
    const nameOf = (number: number) => options.names?.[number] ?? `n${number}`;
    const first = new EngineNode(this.directory, nameOf(0), limits);
    this.nodes.push(first);
    for (const pragma of options.pragmas ?? []) first.app.pragma(pragma);
    first.app.pragma(`journal_mode = ${options.journalMode ?? 'wal'}`);
    if (typeof schema === 'string') first.app.exec(schema);
    else schema(first.app);
    const nodeId = random.hex(16);
    const plan = planCapture(first.app, { include: [], exclude: options.exclude ?? [] });
    initialiseNode(first.app, { dataset: random.hex(16), node: nameOf(0), nodeId, nowMs: Date.now() }, plan);
    const { strategies = {}, rules = {} } = options;
    const insertRule = first.app.prepare(
      'INSERT INTO _sqlsync_rule(tbl, strategy, key_collision, orphan) VALUES(?, ?, ?, ?)',
    );
    for (const table of new Set([...Object.keys(strategies), ...Object.keys(rules)])) {
      const { key_collision = null, orphan = null } = rules[table] ?? {};
      insertRule.run(table, strategies[table] ?? null, key_collision, orphan);
    }
    first.open();
    for (let i = 1; i < count; i += 1) this.join(nameOf(i), limits);
  }

  private join(name: string, limits: EngineLimits): void {
    const sponsor = this.nodes[0] as EngineNode;
    const nodeId = random.hex(16);
    sponsor.replica.admitMember({ name, nodeId, access: 'write' });
    sponsor.app.pragma('wal_checkpoint(TRUNCATE)');
    copyFileSync(sponsor.path, join(this.directory, `${name}.db`));
    const node = new EngineNode(this.directory, name, limits);
    prepareSnapshot(node.app, { node: name, nodeId, nowMs: Date.now() });
    node.open();
    this.nodes.push(node);
  }

  /** Exchanges among all until nothing crosses any more. */
  settleDown(linked: (i: number, j: number) => boolean = () => true): void {
    for (let round = 0; round < 4 * this.nodes.length + 4; round += 1) {
      let crossed = 0;
      this.nodes.forEach((to, i) => {
        this.nodes.forEach((from, j) => {
          if (i === j || !linked(i, j)) return;
          const result = to.pull(from);
          if (result === 'catching-up') crossed += 1;
          else if (typeof result === 'string') throw new Error(`${to.name} from ${from.name}: ${result}`);
          else crossed += result;
        });
      });
      if (crossed === 0) return;
    }
    throw new Error('the nodes do not come to rest');
  }

  close(): void {
    for (const node of this.nodes) node.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
