/**
 * A random history of a table that gets two more columns, and in some loses one or has one renamed, on each node at another
 * time and in another order, while applications write, rows cross in every state of that and engines are killed. Checked at
 * every step and at the end: nodes with equal vectors and the same columns hold the same rows; once all have migrated nobody
 * keeps a row aside, all hold the same, and every value that was written is there, or was overwritten where it could be
 * seen, or is in a record.
 */
import { EngineCluster, type EngineNode, steppingClock } from './engine-node.js';
import { type Random, seededRandom } from './seeded-random.js';
import { ValueLedger } from './value-ledger.js';

const STEPS = 80;
const REST_ROUNDS = 4;
const OFFER_AGAIN_MS = 61_000;
const STRATEGIES = ['lww', 'version', 'manual', 'merge'] as const;

/** What an application's migrations do to the table, and by which column one can tell that it has been run. */
interface Migration {
  readonly sql: string;
  readonly isDone: (columns: readonly string[]) => boolean;
}
const MIGRATIONS: readonly Migration[] = [
  { sql: 'ALTER TABLE t ADD COLUMN x', isDone: (columns) => columns.includes('x') },
  { sql: "ALTER TABLE t ADD COLUMN y DEFAULT 'none'", isDone: (columns) => columns.includes('y') },
];
const DROP: Migration = { sql: 'ALTER TABLE t DROP COLUMN b', isDone: (columns) => !columns.includes('b') };
const RENAME: Migration = { sql: 'ALTER TABLE t RENAME COLUMN a TO a2', isDone: (columns) => columns.includes('a2') };

export interface DriftHistoryResult {
  readonly writes: number;
  readonly migrations: number;
  readonly conflicts: number;
  /** Rows that were held at some moment. */
  readonly held: number;
  /** Versions that left a column unsaid at some moment. */
  readonly unsaid: number;
}

class DriftHistory {
  private readonly random: Random;
  private readonly cluster: EngineCluster;
  private readonly ledger = new ValueLedger();
  private readonly migrations: readonly Migration[];
  private readonly counts = { writes: 0, migrations: 0, held: 0, unsaid: 0 };

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const clock = steppingClock();
    const others = [[], [DROP], [RENAME]][Math.floor(seed / 4) % 3] as Migration[];
    this.migrations = [...MIGRATIONS, ...others];
    this.cluster = new EngineCluster('CREATE TABLE t(k TEXT PRIMARY KEY, a, b)', 2 + this.random.int(3), {
      strategies: { '*': STRATEGIES[seed % STRATEGIES.length] as string },
      clockOf: () => clock,
      random: this.random,
    });
    this.cluster.settleDown();
  }

  run(): DriftHistoryResult {
    try {
      for (let step = 0; step < STEPS; step += 1) {
        this.step(this.random.pick(this.cluster.nodes));
        this.look();
      }
      for (const node of this.cluster.nodes) for (const migration of this.migrations) this.migrate(node, migration);
      this.comeToRest();
      this.checkEnd();
      return { ...this.counts, conflicts: recordsOf(this.cluster.nodes[0] as EngineNode).length };
    } finally {
      this.cluster.close();
    }
  }

  /** Rows that one keeps are offered by others once they have migrated, and again after a while. */
  private comeToRest(): void {
    for (let round = 0; round < REST_ROUNDS; round += 1) {
      this.cluster.settleDown();
      for (const node of this.cluster.nodes) node.advance(OFFER_AGAIN_MS);
    }
  }

  private step(node: EngineNode): void {
    const { random } = this;
    const chance = random.int(100);
    if (chance < 40) this.write(node);
    else if (chance < 80) node.pull(random.pick(this.cluster.nodes.filter((other) => other !== node)));
    else if (chance < 88) node.foldAll();
    else if (chance < 91) node.replica.settle();
    else if (chance < 94) {
      node.kill();
      node.open();
    } else this.migrate(node, random.pick(this.migrations));
  }

  private write({ app, name }: EngineNode): void {
    const { random } = this;
    const before = valuesIn(app);
    const columns = columnsOf(app);
    const key = `k${random.int(4)}`;
    const one = random.pick(columns);
    // What is written to a column that is dropped goes with it.
    const value = (column: string) => (column === 'b' ? `b${random.int(1000)}` : this.ledger.next());
    const [first] = columns.filter((column) => column.startsWith('a'));
    const places = columns.map(() => '?').join(', ');
    const [sql, parameters] = random.pick<[string, string[]]>([
      [`REPLACE INTO t(k, ${columns.join(', ')}) VALUES(?, ${places})`, [key, ...columns.map(value)]],
      [`REPLACE INTO t(k, ${first}) VALUES(?, ?)`, [key, value('a')]],
      [`UPDATE t SET ${one} = ? WHERE k = ?`, [value(one), key]],
      [`UPDATE t SET ${one} = ? WHERE k = ?`, [value(one), key]],
      ['DELETE FROM t WHERE k = ?', [key]],
    ]);
    app.prepare(sql).run(...parameters);
    this.ledger.noteWrite(name, before, valuesIn(app));
    this.counts.writes += 1;
  }

  private migrate({ app }: EngineNode, { sql, isDone }: Migration): void {
    if (isDone(columnsOf(app))) return;
    app.exec(sql);
    this.counts.migrations += 1;
  }

  private look(): void {
    const seen = new Map<string, string>();
    for (const node of this.cluster.nodes) {
      const { held } = node.replica.status();
      this.counts.held += held.rows;
      this.counts.unsaid += unsaidIn(node);
      if (held.rows > 0 || node.replica.hasUnfolded()) continue;
      const columns = columnsOf(node.app).sort();
      const state = JSON.stringify([columns, Object.entries(node.hello().vector).sort()]);
      const rows = JSON.stringify(node.app.prepare(`SELECT k, ${columns.join(', ')} FROM t ORDER BY k`).all());
      if ((seen.get(state) ?? rows) !== rows)
        throw new Error(`equal vectors, other rows:\n${rows}\n${seen.get(state)}`);
      seen.set(state, rows);
    }
  }

  private checkEnd(): void {
    const { nodes } = this.cluster;
    const rowsOf = ({ app }: EngineNode) =>
      JSON.stringify(app.prepare(`SELECT k, ${columnsOf(app).sort().join(', ')} FROM t ORDER BY k`).all());
    const [first, ...rest] = nodes.map(rowsOf);
    if (rest.some((rows) => rows !== first)) throw new Error(`the nodes differ:\n${[first, ...rest].join('\n')}`);
    const keeping = nodes.find((node) => node.replica.status().held.rows > 0);
    if (keeping !== undefined) throw new Error(`${keeping.name} still keeps rows aside`);
    const [node] = nodes as [EngineNode];
    const recorded = new Set(recordsOf(node).flatMap((record) => record.match(/v\d+\./g) ?? []));
    const lost = this.ledger.lost(valuesIn(node.app), recorded);
    if (lost.length > 0) throw new Error(`lost without a trace: ${lost.join(' ')}`);
  }
}

function columnsOf(app: EngineNode['app']): string[] {
  return app.prepare("SELECT name FROM pragma_table_info('t') WHERE name <> 'k'").pluck().all() as string[];
}

function valuesIn(app: EngineNode['app']): Set<string> {
  const values = app
    .prepare(`SELECT ${columnsOf(app).join(', ')} FROM t`)
    .raw()
    .all()
    .flat() as unknown[];
  return new Set(values.filter((value): value is string => typeof value === 'string' && value.startsWith('v')));
}

function recordsOf({ app }: EngineNode): string[] {
  return app.prepare('SELECT winner || loser FROM _sqlsync_conflict').pluck().all() as string[];
}

function unsaidIn({ app }: EngineNode): number {
  const table = app.prepare("SELECT '_sqlsync_meta_' || id FROM _sqlsync_table WHERE name = 't'").pluck().get();
  return app.prepare(`SELECT count(unsaid) FROM ${table}`).pluck().get() as number;
}

export function runDriftHistory(seed: number): DriftHistoryResult {
  try {
    return new DriftHistory(seed).run();
  } catch (error) {
    const replay = `npm run simulate -- --of drift --seeds 1 --first ${seed}`;
    throw new Error(`seed ${seed}: ${(error as Error).stack ?? error}\nreplay: ${replay}`);
  }
}
