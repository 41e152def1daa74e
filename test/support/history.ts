/**
 * One seed, one random history of a data set: applications write through real triggers on real files, nodes exchange in
 * any order, processes die and start again, metadata is settled. Checked at every step and at the end:
 *   equal vectors mean equal data; nodes that have exchanged everything are equal; UNIQUE holds;
 *   every value that was written is visible, or was overwritten where it could be seen, or stands in a conflict record;
 *   what the application's own triggers wrote is there once, not once for every node.
 * Some histories cut catch-ups short, and some put old copies of files back: then what had not been sent may be lost, and
 * nodes may end as stale, but equal vectors still mean equal data.
 */
import type { Database } from 'better-sqlite3';
import { EngineCluster, type EngineNode, stageOf } from './engine-node.js';
import { danglingRows, FAMILY_SCHEMA, familyStatements, misledRows } from './history-family.js';
import { keptIn, refusedOr, trailsIn, valuesIn, valuesOfAllocated } from './history-readings.js';
import { type Random, seededRandom } from './seeded-random.js';

const SCHEMA = `
  CREATE TABLE item(k TEXT PRIMARY KEY, a, b TEXT, u TEXT UNIQUE);
  CREATE TABLE counter(id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, n);
  CREATE TABLE pair(x TEXT COLLATE NOCASE, y INT, v, PRIMARY KEY(x, y)) WITHOUT ROWID;
  CREATE TABLE seat(id INTEGER PRIMARY KEY, place INT, low TEXT AS (lower(name)), name TEXT, UNIQUE(place));
  CREATE UNIQUE INDEX seat_low ON seat(low) WHERE place > 0;
  CREATE TABLE span(k TEXT PRIMARY KEY, lo INT, hi INT, note, CHECK(lo <= hi));
  CREATE TABLE trail(id TEXT PRIMARY KEY, v);
  CREATE TRIGGER trail_of_pair AFTER UPDATE ON pair BEGIN INSERT INTO trail VALUES(hex(randomblob(8)), NEW.v); END;
  CREATE TRIGGER trail_of_span AFTER INSERT ON span BEGIN INSERT INTO trail VALUES(hex(randomblob(8)), NEW.note); END;
  ${FAMILY_SCHEMA}`;

const ODD_VALUES = [
  'NULL',
  '9223372036854775807',
  '-9223372036854775808',
  '-0.0',
  '9e999',
  '1.0',
  '1',
  "'1'",
  "x''",
  "x'00ff'",
  "''",
  "'a' || char(0) || 'b'",
  "CAST(x'61ff62' AS TEXT)",
  "CAST(x'efbfbd' AS TEXT)",
  '0.1 + 0.2',
];

const STRATEGIES = ['merge', 'lww', 'version'];
const ORPHAN_RULES = ['keep', 'delete', 'restore-parent'];
const SHAPES = ['mesh', 'star', 'ring', 'chain'] as const;

export interface HistoryResult {
  readonly nodes: number;
  readonly writes: number;
  readonly rowsCrossed: number;
  readonly conflicts: number;
  readonly orphans: number;
  readonly rekeyed: number;
  readonly restarts: number;
  readonly restores: number;
  readonly stale: number;
  readonly cutShort: number;
  readonly quarantined: number;
}

class History {
  private readonly random: Random;
  private readonly cluster: EngineCluster;
  private readonly shape: (typeof SHAPES)[number];
  /** Value → the node where an application wrote it. */
  private readonly issuedBy = new Map<string, string>();
  private readonly overwritten = new Set<string>();
  private values = 0;
  private trails = 0;
  private readonly restoring: boolean;
  private readonly cutsShort: boolean;
  private readonly backedUp = new Set<EngineNode>();
  private readonly writers: number;
  /** How often a statement is about rows that refer to each other. */
  private readonly families: number;
  private readonly enforces: boolean;
  private readonly orphanRule: string;
  private readonly rekeys: boolean;
  private counts = { writes: 0, rowsCrossed: 0, restarts: 0, restores: 0, stale: 0, cutShort: 0, quarantined: 0 };

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const strategy = STRATEGIES[seed % STRATEGIES.length] as string;
    const small = this.random.chance(0.3);
    this.cutsShort = small;
    this.families = this.random.pick([0, 0.3, 0.9]);
    this.enforces = this.random.chance(0.8);
    this.orphanRule = this.random.pick(ORPHAN_RULES);
    this.rekeys = this.random.chance(0.5);
    const ofBooks = this.random.chance(0.8) ? this.orphanRule : this.random.pick(ORPHAN_RULES);
    this.cluster = new EngineCluster(SCHEMA, 2 + this.random.int(4), {
      // Only a merge can make a row that no node has written.
      strategies: { '*': strategy, span: 'merge' },
      rules: {
        '*': { orphan: this.orphanRule, key_collision: this.rekeys ? 'rekey' : 'keep' },
        book: { orphan: ofBooks },
      },
      journalMode: this.random.chance(0.25) ? 'delete' : 'wal',
      // Small limits make catch-ups of many parts out of short streams.
      limits: small ? { applyTransactionRowsMax: 1, lockHoldMsMax: 0, foldEntriesMax: 3 } : {},
    });
    this.shape = this.random.pick(SHAPES);
    this.restoring = this.random.chance(0.2);
    // Some members never write anything.
    this.writers = this.random.chance(0.7) ? this.cluster.nodes.length : 1 + this.random.int(this.cluster.nodes.length);
  }

  private linked(i: number, j: number): boolean {
    const n = this.cluster.nodes.length;
    if (i === j) return false;
    if (this.shape === 'star') return i * j === 0;
    if (this.shape === 'ring') return (i + 1) % n === j || (j + 1) % n === i;
    return this.shape === 'mesh' || Math.abs(i - j) === 1;
  }

  run(): HistoryResult {
    try {
      const steps = 20 + this.random.int(120);
      const writing = 0.2 + this.random.next() * 0.5;
      for (let step = 0; step < steps; step += 1) {
        const dice = this.random.next();
        if (dice < writing) this.write();
        else if (dice < 0.93) this.exchange();
        else if (dice < 0.96) this.upkeep();
        else if (this.restoring && this.random.chance(0.7)) this.backUpOrRestore();
        else this.restart();
        this.checkEqualVectors();
      }
      if (this.comesToRest()) this.checkEnd();
      return this.result();
    } finally {
      this.cluster.close();
    }
  }

  /**
   * Exchanges everything and puts right what a CHECK keeps out. No, if a restored node has ended as stale, or a half
   * applied stage waits for what its sender has forgotten with its newer file.
   */
  private comesToRest(): boolean {
    try {
      this.cluster.settleDown((i, j) => this.linked(i, j));
      for (const node of this.cluster.nodes) this.counts.quarantined += keptIn(node);
      (this.cluster.nodes[0] as EngineNode).app.exec('UPDATE span SET lo = 0, hi = 1000');
      this.cluster.settleDown((i, j) => this.linked(i, j));
      return true;
    } catch (error) {
      const isStale = /: (stale|batch-outdated)$/.test((error as Error).message);
      const isWaiting = this.cluster.nodes.some((node) => node.replica.isCatchingUp);
      if (this.counts.restores === 0 || !(isStale || isWaiting)) throw error;
      this.counts.stale += 1;
      return false;
    }
  }

  private anyNode(): EngineNode {
    return this.random.pick(this.cluster.nodes);
  }

  private value(): string {
    this.values += 1;
    return `v${this.values}.`;
  }

  /** SQL of a value that a careless replicator would bend. */
  private oddValue(): string {
    return this.random.pick(ODD_VALUES);
  }

  /** A row whose key is NULL has no identity. */
  private oddKey(): string {
    return this.random.pick(ODD_VALUES.filter((value) => value !== 'NULL'));
  }

  /** One application transaction; sometimes it rolls back. What it changes is seen by comparing before and after. */
  private write(): void {
    const node = this.cluster.nodes[this.random.int(this.writers)] as EngineNode;
    const before = valuesIn(node.app);
    const trails = trailsIn(node.app);
    node.app.pragma(`foreign_keys = ${this.enforces ? 'ON' : 'OFF'}`);
    node.app.exec('BEGIN');
    for (let n = 1 + this.random.int(3); n > 0; n -= 1) {
      if (this.random.chance(this.families)) this.familyStatement(node.app);
      else this.statement(node.app);
    }
    const after = valuesIn(node.app);
    if (this.random.chance(0.1)) {
      node.app.exec('ROLLBACK');
      return;
    }
    node.app.exec('COMMIT');
    this.trails += trailsIn(node.app) - trails;
    for (const value of after) if (!before.has(value)) this.issuedBy.set(value, node.name);
    for (const value of before) if (!after.has(value)) this.overwritten.add(value);
    this.counts.writes += 1;
  }

  private statement(app: Database): void {
    const key = `k${this.random.int(5)}`;
    const spelled = this.random.chance(0.3) ? key.toUpperCase() : key;
    const id = 1 + this.random.int(4);
    const unique = `u${this.random.int(4)}`;
    const statements: [string, unknown[]][] = [
      ['INSERT OR IGNORE INTO item VALUES(?, ?, ?, ?)', [key, this.value(), this.value(), unique]],
      ['INSERT OR REPLACE INTO item VALUES(?, ?, ?, ?)', [key, this.value(), this.value(), unique]],
      ['UPDATE item SET a = ? WHERE k = ?', [this.value(), key]],
      ['UPDATE item SET b = ? WHERE k = ?', [this.value(), key]],
      ['UPDATE OR IGNORE item SET u = ?, a = ? WHERE k = ?', [unique, this.value(), key]],
      ['UPDATE OR REPLACE item SET u = ? WHERE k = ?', [unique, key]],
      ['UPDATE OR REPLACE item SET k = ? WHERE k = ?', [`k${this.random.int(5)}`, key]],
      ['DELETE FROM item WHERE k = ?', [key]],
      ['INSERT INTO item(k, a) VALUES(?, ?) ON CONFLICT(k) DO UPDATE SET a = excluded.a', [key, this.value()]],
      [
        'INSERT OR REPLACE INTO counter VALUES(?, ?, ?)',
        [id, this.random.chance(0.5) ? unique : unique.toUpperCase(), this.value()],
      ],
      ['UPDATE counter SET n = ? WHERE id = ?', [this.value(), id]],
      ['UPDATE OR IGNORE counter SET id = ? WHERE id = ?', [1 + this.random.int(4), id]],
      ['DELETE FROM counter WHERE id >= ?', [id]],
      ['INSERT OR REPLACE INTO pair VALUES(?, ?, ?)', [spelled, this.random.int(2), this.value()]],
      ['UPDATE pair SET v = ? WHERE x = ?', [this.value(), spelled]],
      ['UPDATE OR REPLACE pair SET y = 1 - y WHERE x = ?', [spelled]],
      ['DELETE FROM pair WHERE x = ?', [spelled]],
      ['INSERT OR IGNORE INTO seat(id, place, name) VALUES(?, ?, ?)', [id, 1 + this.random.int(5), key]],
      ['INSERT OR REPLACE INTO seat(id, place, name) VALUES(?, ?, ?)', [id, 1 + this.random.int(5), spelled]],
      ['UPDATE OR IGNORE seat SET place = -place', []],
      ['UPDATE OR IGNORE seat SET place = 1 - place WHERE place < 0', []],
      ['DELETE FROM seat WHERE id = ?', [id]],
      ['INSERT OR IGNORE INTO span VALUES(?, ?, 10, ?)', [key, this.random.int(5), this.value()]],
      ['UPDATE OR IGNORE span SET lo = ?', [this.random.int(12)]],
      ['UPDATE OR IGNORE span SET hi = ?', [this.random.int(12)]],
      ['UPDATE OR IGNORE span SET lo = ? WHERE k = ?', [this.random.int(12), key]],
      ['UPDATE OR IGNORE span SET hi = ? WHERE k = ?', [this.random.int(12), key]],
      ['UPDATE OR IGNORE span SET hi = ?, note = ? WHERE k = ?', [this.random.int(12), this.value(), key]],
      ['DELETE FROM span WHERE k = ?', [key]],
      [`UPDATE item SET a = ${this.oddValue()} WHERE k = ?`, [key]],
      [`INSERT OR IGNORE INTO item(k, a, b) VALUES(${this.oddKey()}, ${this.oddValue()}, ${this.oddValue()})`, []],
      [`DELETE FROM item WHERE k = ${this.oddValue()}`, []],
      [`INSERT OR IGNORE INTO pair VALUES(${this.oddValue()}, 7, ${this.oddValue()})`, []],
      [`UPDATE pair SET v = ${this.oddValue()} WHERE x = ${this.oddValue()} AND y = 7`, []],
    ];
    const [sql, parameters] = this.random.pick(statements);
    app.prepare(sql).run(...parameters);
  }

  /** A statement that a foreign key refuses has changed nothing. */
  private familyStatement(app: Database): void {
    const [sql, parameters] = this.random.pick(familyStatements(this.random, () => this.value()));
    try {
      app.prepare(sql).run(...parameters);
    } catch (error) {
      if ((error as { code?: string }).code !== 'SQLITE_CONSTRAINT_FOREIGNKEY') throw error;
    }
  }

  private exchange(): void {
    const n = this.cluster.nodes.length;
    const [i, j] = [this.random.int(n), this.random.int(n)];
    if (!this.linked(i, j)) return;
    const [to, from] = [this.cluster.nodes[i], this.cluster.nodes[j]] as [EngineNode, EngineNode];
    if (this.random.chance(this.cutsShort ? 0.4 : 0.05)) {
      this.beginExchange(to, from);
      return;
    }
    const rows = refusedOr(() => to.pull(from));
    if (typeof rows === 'number') this.counts.rowsCrossed += rows;
    else if (rows !== 'catching-up' && this.counts.restores === 0) throw new Error(`n${i} from n${j}: ${rows}`);
  }

  /** Applies some of what another has, and leaves it at that: the process dies, or something else comes first. */
  private beginExchange(to: EngineNode, from: EngineNode): void {
    if (to.replica.checkPeer(to.hello(), from.hello()) !== null || from.hello().catchingUp) return;
    refusedOr(() => {
      const application = to.replica.beginApply(stageOf(from, to.hello()));
      for (let steps = this.random.int(30); steps > 0 && !application.step().done; steps -= 1);
      return 0;
    });
    if (to.hello().catchingUp) this.counts.cutShort += 1;
    if (this.random.chance(0.5)) {
      to.kill();
      to.open();
    }
  }

  private backUpOrRestore(): void {
    const node = this.anyNode();
    if (!this.backedUp.has(node) || this.random.chance(0.3)) {
      node.backUp();
      this.backedUp.add(node);
      return;
    }
    node.restore();
    this.counts.restores += 1;
  }

  private upkeep(): void {
    const node = this.anyNode();
    if (this.random.chance(0.5)) node.foldAll();
    node.replica.settle();
    node.replica.pruneLog(Number.MAX_SAFE_INTEGER);
  }

  private restart(): void {
    const node = this.anyNode();
    node.kill();
    node.open();
    this.counts.restarts += 1;
  }

  private checkEqualVectors(): void {
    const byVector = new Map<string, { name: string; data: string }>();
    for (const node of this.cluster.nodes) {
      if (node.replica.hasUnfolded() || node.hello().catchingUp || keptIn(node) > 0) continue;
      const vector = JSON.stringify(Object.entries(node.hello().vector).sort());
      const data = JSON.stringify(node.data());
      const other = byVector.get(vector);
      if (other !== undefined && other.data !== data) {
        throw new Error(`equal vectors, different data: ${other.name} ${node.name}\n${other.data}\n${data}`);
      }
      byVector.set(vector, { name: node.name, data });
    }
  }

  private checkEnd(): void {
    const [first, ...others] = this.cluster.nodes.map((node) => JSON.stringify(node.data()));
    others.forEach((data, i) => {
      if (data !== first) throw new Error(`n0 and n${i + 1} differ at the end\n${first}\n${data}`);
    });
    for (const node of this.cluster.nodes) if (keptIn(node) > 0) throw new Error(`${node.name} still keeps rows aside`);
    const { app } = this.cluster.nodes[0] as EngineNode;
    if (app.pragma('integrity_check', { simple: true }) !== 'ok') throw new Error('the file is damaged');
    if (this.counts.restores > 0) return;
    if (trailsIn(app) !== this.trails) throw new Error(`triggers wrote ${this.trails} rows, now ${trailsIn(app)}`);
    const visible = valuesIn(app);
    const records = JSON.stringify(app.prepare('SELECT winner, loser FROM _sqlsync_conflict').raw().all());
    const lost = [...this.issuedBy.keys()].filter(
      (v) => !visible.has(v) && !this.overwritten.has(v) && !records.includes(v),
    );
    if (lost.length > 0) throw new Error(`lost without a trace: ${lost.join(' ')}`);
    if (this.enforces) this.checkOrphans(app);
    if (this.rekeys && this.enforces) this.checkReferences(app);
    const twice = valuesOfAllocated(app).filter((value, i, all) => all.indexOf(value) !== i);
    if (twice.length > 0) throw new Error(`rows that are there twice: ${twice.join(' ')}`);
  }

  /**
   * What a node wrote to a row of its own has followed it, unless a record says why the row was kept, or that what meant
   * it had lost it before.
   */
  private checkReferences(app: Database): void {
    const isKept = app.prepare(
      `SELECT 1 FROM _sqlsync_conflict WHERE kind = 'key-collision' AND tbl = 'ticket'
        AND json_extract(key, '$.id') = ? AND detail LIKE '%kept%'`,
    );
    const isOrphan = app.prepare("SELECT 1 FROM _sqlsync_conflict WHERE kind = 'orphan' AND tbl = ? AND key = ?");
    for (const { table, key, own, meant, has, ticket } of misledRows(app)) {
      if (this.issuedBy.get(own) !== this.issuedBy.get(meant)) continue;
      if (isKept.get(ticket) !== undefined || isOrphan.get(table, key) !== undefined) continue;
      throw new Error(`${table} ${key} means ${meant}, has ${has}`);
    }
  }

  /** What dangles although every node enforces foreign keys was written while its parent was deleted elsewhere. */
  private checkOrphans(app: Database): void {
    const isRecorded = app.prepare("SELECT 1 FROM _sqlsync_conflict WHERE kind = 'orphan' AND tbl = ? AND key = ?");
    for (const { table, key } of danglingRows(app)) {
      if (isRecorded.get(table, key) === undefined) throw new Error(`${table} ${key} dangles without a record`);
    }
  }

  private result(): HistoryResult {
    const { app } = this.cluster.nodes[0] as EngineNode;
    const count = (where: string) =>
      app.prepare(`SELECT count(*) FROM _sqlsync_conflict WHERE ${where}`).pluck().get() as number;
    const [conflicts, orphans, rekeyed] = [count('true'), count("kind = 'orphan'"), count("detail LIKE '%rekeyedTo%'")];
    return { nodes: this.cluster.nodes.length, conflicts, orphans, rekeyed, ...this.counts };
  }
}

/** Runs the history of a seed. Throws when an invariant fails, naming how to replay it. */
export function runHistory(seed: number): HistoryResult {
  try {
    return new History(seed).run();
  } catch (error) {
    throw new Error(
      `seed ${seed}: ${(error as Error).message}\nreplay: npm run simulate -- --first ${seed} --seeds 1`,
      { cause: error },
    );
  }
}
