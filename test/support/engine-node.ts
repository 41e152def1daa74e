/**
 * A node in this process, on a real file: the connections a daemon has, one for an application, and exchanges without a
 * network. What crosses is encoded and decoded as on the wire.
 */
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import type { ErrorBody } from '../../src/errors.js';
import type { Application } from '../../src/replication/application.js';
import type { EngineLimits } from '../../src/replication/engine-options.js';
import { initialiseNode } from '../../src/replication/initialise.js';
import { updateMember } from '../../src/replication/member-table.js';
import type { RandomSource } from '../../src/replication/node-state.js';
import type { WireVersions } from '../../src/replication/older-wire.js';
import { OperatorWrites } from '../../src/replication/operator-writes.js';
import { planCapture } from '../../src/replication/plan-capture.js';
import type { RejoinOutcome } from '../../src/replication/rejoin.js';
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
  gapRowsBytesMax: 64 * 1024 * 1024,
  clockAheadSecondsMax: 300,
};

/** Of a node whose clock a test sets, the applications go by it too: their triggers ask SQLite for the time. */
export interface TestClock {
  nowMs(): number;
}

const wallClock: TestClock = { nowMs: () => Date.now() };
const START_MS = Date.UTC(2026, 0, 1);

/** A clock that is a millisecond later whenever it is looked at. */
export function steppingClock(): TestClock {
  let nowMs = START_MS;
  return {
    nowMs: () => {
      nowMs += 1;
      return nowMs;
    },
  };
}

const UNIX_EPOCH_JULIAN = 2440587.5;
const DAY_MS = 86_400_000;

const anyRandom: RandomSource = { hex: (bytes) => randomBytes(bytes).toString('hex') };
let stages = 0;

export class EngineNode {
  readonly path: string;
  app: Database;
  private handles: Database[] = [];
  private aheadMs = 0;
  replica!: Replica;
  /** What it speaks from the next `open` on, if not all that this version can. */
  wire: WireVersions | undefined;
  /** The engine's own connection. */
  writer!: Database;

  constructor(
    readonly directory: string,
    readonly name: string,
    readonly limits: EngineLimits,
    readonly clock: TestClock = wallClock,
    private readonly random: RandomSource = anyRandom,
  ) {
    this.path = join(directory, `${name}.db`);
    this.app = this.openApp();
  }

  private openApp(): Database {
    const app = new SqliteDatabase(this.path);
    app.pragma('synchronous = OFF');
    this.setClockOf(app);
    return app;
  }

  private setClockOf(db: Database): void {
    if (this.clock === wallClock) return;
    db.function('julianday', (time) => {
      if (time !== 'now') throw new Error('an application asks for another time than now');
      return this.clock.nowMs() / DAY_MS + UNIX_EPOCH_JULIAN;
    });
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
      clock: { nowMs: () => this.clock.nowMs() + this.aheadMs },
      random: this.random,
      limits: this.limits,
      ...(this.wire && { wire: this.wire }),
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
    this.copyTo(`${this.path}.backup`);
  }

  /** Puts the copy in the file's place, as an operator does who forgets `sqlsync rejoin`. */
  restore(): void {
    this.close();
    for (const side of ['-wal', '-shm', '-journal']) rmSync(this.path + side, { force: true });
    copyFileSync(`${this.path}.backup`, this.path);
    this.app = this.openApp();
    this.open();
  }

  /** Ends the membership of another node, as `sqlsync members remove` does. */
  removeMember(other: EngineNode): void {
    this.endMembership(other.replica.nodeId);
  }

  endMembership(nodeId: string): void {
    this.changeMember(nodeId, { removedAtMs: this.clock.nowMs() });
  }

  /** Sets the access of another node, as `sqlsync members set` does. */
  setAccess(other: EngineNode, access: 'read' | 'write'): void {
    this.changeMember(other.replica.nodeId, { access });
  }

  private changeMember(nodeId: string, change: Parameters<typeof updateMember>[4]): void {
    OperatorWrites.transaction(this.app, this.clock.nowMs(), (writes) =>
      updateMember(writes.db, writes.log, writes.nextHlc(), nodeId, change),
    );
  }

  /** A copy of the file as it is now, under a name of its own. */
  copyTo(path: string): void {
    // Read through SQLite: a descriptor of another's own, closed, would drop the locks that this process has on the file.
    writeFileSync(path, this.app.serialize());
  }

  /** Seeds itself afresh from another node, as `sqlsync rejoin` does. */
  rejoin(from: EngineNode): RejoinOutcome {
    this.foldAll();
    const { name, replica, random } = this;
    const nodeId = random.hex(16);
    const rejoining = { ...this.hello(), nodeId: replica.nodeId };
    from.replica.admitMember({ name, nodeId, access: 'write' }, rejoining);
    const draft = `${this.path}.draft`;
    from.copyTo(draft);
    const seed = new SqliteDatabase(draft);
    seed.pragma('foreign_keys = OFF');
    this.setClockOf(seed);
    const operation = { id: random.hex(16), operator: 'test', command: 'rejoin' };
    const outcome = replica.rejoinOn(seed, { nodeId, peer: from.name, formerPath: this.path, operation });
    seed.close();
    this.close();
    for (const side of ['-wal', '-shm', '-journal']) rmSync(this.path + side, { force: true });
    renameSync(draft, this.path);
    this.app = this.openApp();
    this.open();
    return outcome;
  }

  /** Time passes for this node's engine alone. */
  advance(ms: number): void {
    this.aheadMs += ms;
  }

  foldAll(): void {
    while (this.replica.fold().more);
  }

  hello(): Hello {
    return this.replica.hello('test');
  }

  /** Begins to apply all that `from` has, unasked: whatever the two say of each other. */
  startPull(from: EngineNode): { application: Application; stage: Stage } {
    const stage = stageOf(from, this.hello());
    return { application: this.replica.beginApply(stage), stage };
  }

  /** Why the two exchange nothing, this node's reason first; null: they do. */
  refusalBetween(other: EngineNode): ErrorBody | null {
    const [here, there] = [this.hello(), other.hello()];
    return this.replica.checkPeer(here, there) ?? other.replica.checkPeer(there, here);
  }

  /** Pulls all that `from` has. Returns how many rows came, or why nothing did. */
  pull(from: EngineNode): number | string {
    const refusal = this.refusalBetween(from);
    if (refusal !== null) return refusal.code;
    if (from.hello().catchingUp) return 'catching-up';
    if (from.replica.isReadOnly || !this.replica.takesFrom(from.name)) {
      this.replica.acknowledge(from.hello());
      return 0;
    }
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
  const cut = from.replica.openCut(receiver);
  const { wireVersion } = cut;
  const sender = { ...from.hello(), wireVersion };
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
    batches: () => decode(payloads, wireVersion),
  };
}

function* decode(payloads: readonly Buffer[], wireVersion: number): Generator<DecodedRows> {
  const decoder = new RowsDecoder(wireVersion);
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
  private readonly limits: EngineLimits;
  private readonly random: RandomSource;
  private readonly clockOf: (node: number) => TestClock;
  private readonly nameOf: (node: number) => string;

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
      /** Each node's, by its number. */
      clockOf?: (node: number) => TestClock;
      random?: RandomSource;
    } = {},
  ) {
    this.random = options.random ?? anyRandom;
    this.limits = { ...TEST_LIMITS, ...options.limits };
    this.clockOf = options.clockOf ?? (() => wallClock);
    this.nameOf = (number) => options.names?.[number] ?? `n${number}`;
    const first = new EngineNode(this.directory, this.nameOf(0), this.limits, this.clockOf(0), this.random);
    this.nodes.push(first);
    for (const pragma of options.pragmas ?? []) first.app.pragma(pragma);
    first.app.pragma(`journal_mode = ${options.journalMode ?? 'wal'}`);
    if (typeof schema === 'string') first.app.exec(schema);
    else schema(first.app);
    const nodeId = this.random.hex(16);
    const plan = planCapture(first.app, { include: [], exclude: options.exclude ?? [] });
    const identity = { dataset: this.random.hex(16), node: this.nameOf(0), nodeId, nowMs: first.clock.nowMs() };
    initialiseNode(first.app, identity, plan);
    const { strategies = {}, rules = {} } = options;
    const insertRule = first.app.prepare(
      'INSERT INTO _sqlsync_rule(tbl, strategy, key_collision, orphan) VALUES(?, ?, ?, ?)',
    );
    for (const table of new Set([...Object.keys(strategies), ...Object.keys(rules)])) {
      const { key_collision = null, orphan = null } = rules[table] ?? {};
      insertRule.run(table, strategies[table] ?? null, key_collision, orphan);
    }
    first.open();
    for (let i = 1; i < count; i += 1) this.join();
  }

  /** Another node joins, with a member as its sponsor. */
  join(sponsor = this.nodes[0] as EngineNode): EngineNode {
    const name = this.nameOf(this.nodes.length);
    const nodeId = this.random.hex(16);
    sponsor.replica.admitMember({ name, nodeId, access: 'write' });
    sponsor.copyTo(join(this.directory, `${name}.db`));
    const node = new EngineNode(this.directory, name, this.limits, this.clockOf(this.nodes.length), this.random);
    prepareSnapshot(node.app, { node: name, nodeId, nowMs: node.clock.nowMs() });
    node.open();
    this.nodes.push(node);
    return node;
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
