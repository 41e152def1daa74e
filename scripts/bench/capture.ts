/**
 * What capture costs an application: inserts, updates and deletes of random rows in a table of 100,000, on a plain file
 * and on a captured one, 100 rows a transaction, WAL, synchronous NORMAL, checkpoints as they come. The two files take turns transaction by
 * transaction, so that whatever else the machine does meets both; a round is a pair of fresh files.
 *
 *   npx tsx scripts/bench/capture.ts [rounds] [transactions] [rows in the table]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { captureTriggers } from '../../src/replication/capture-triggers.js';
import { createLog } from '../../src/replication/metadata-schema.js';
import { readSchema } from '../../src/replication/read-schema.js';
import { DEFAULT_RULES } from '../../src/replication/rules.js';
import { ITEMS, type ItemRow, makeItem, median, randomNumbers, sorted } from './workload.js';

const ROWS_PER_TRANSACTION = 100;
const STATEMENTS = {
  insert: 'INSERT INTO items VALUES(?, ?, ?, ?, ?, ?, ?, ?)',
  update: 'UPDATE items SET a = a + 1, note = ?, updated = ? WHERE id = ?',
  delete: 'DELETE FROM items WHERE id = ?',
} as const;
const KINDS = ['insert', 'update', 'delete'] as const;
type Kind = (typeof KINDS)[number];
const rounds = Number(process.argv[2] ?? 9);
const transactions = Number(process.argv[3] ?? 200);
const tableRows = Number(process.argv[4] ?? 100_000);

function makeRows(count: number, next: () => number): ItemRow[] {
  return Array.from({ length: count }, (_, i) => makeItem(i, next));
}

/** An even pick of rows in random order. */
function pickRows(rows: readonly ItemRow[], count: number, next: () => number): ItemRow[] {
  const pool = [...rows];
  return Array.from({ length: count }, () => pool.splice(next() % pool.length, 1)[0] as ItemRow);
}

function openFile(file: string, rows: readonly ItemRow[], isCaptured: boolean): Database.Database {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.exec(ITEMS);
  const insert = db.prepare(STATEMENTS.insert);
  db.transaction(() => {
    for (const row of rows) insert.run(...row);
  })();
  if (isCaptured) {
    const schema = readSchema(db).tables[0];
    if (schema === undefined) throw new Error('the table is refused');
    const columns = schema.columns.map(({ name }, id) => ({ id, name }));
    db.exec(createLog(1, 1));
    const table = { id: 10, name: 'items', columns, schema, rules: DEFAULT_RULES, internal: false } as const;
    for (const trigger of captureTriggers(table)) db.exec(trigger.sql);
  }
  return db;
}

interface Side {
  readonly db: Database.Database;
  micros: number;
}

/** Runs one kind of write on both files and says what a row took on each. */
function runKind(sides: readonly [Side, Side], kind: Kind, parameters: readonly (readonly unknown[])[]) {
  const statements = sides.map((side) => side.db.prepare(STATEMENTS[kind]));
  for (const side of sides) {
    side.micros = 0;
    side.db.pragma('wal_checkpoint(TRUNCATE)');
  }
  for (let at = 0; at < parameters.length; at += ROWS_PER_TRANSACTION) {
    const batch = parameters.slice(at, at + ROWS_PER_TRANSACTION);
    const order = (at / ROWS_PER_TRANSACTION) % 2 === 0 ? [0, 1] : [1, 0];
    for (const i of order) {
      const side = sides[i] as Side;
      const start = process.hrtime.bigint();
      side.db.exec('BEGIN');
      for (const values of batch) statements[i]?.run(...values);
      side.db.exec('COMMIT');
      side.micros += Number(process.hrtime.bigint() - start) / 1000;
    }
  }
  const [plain, captured] = sides.map((side) => side.micros / parameters.length) as [number, number];
  return { plain, captured, ratio: captured / plain };
}

type Measurement = ReturnType<typeof runKind>;

function runRound(folder: string, seed: number): Record<Kind, Measurement> {
  const next = randomNumbers(seed);
  const rows = makeRows(tableRows, next);
  const count = transactions * ROWS_PER_TRANSACTION;
  const picked = pickRows(rows, count, next);
  const sides = ['plain', 'captured'].map((name) => {
    const file = join(folder, `${seed}-${name}.db`);
    return { db: openFile(file, rows, name === 'captured'), micros: 0 };
  }) as [Side, Side];
  const result = {
    insert: runKind(sides, 'insert', makeRows(count, next)),
    update: runKind(
      sides,
      'update',
      picked.map(([id, , , , note], i) => [`${note}!`, i, id]),
    ),
    delete: runKind(
      sides,
      'delete',
      picked.map(([id]) => [id]),
    ),
  };
  for (const side of sides) side.db.close();
  return result;
}

const folder = mkdtempSync(join(tmpdir(), 'bench-capture-'));
try {
  const measured = Array.from({ length: rounds }, (_, round) => runRound(folder, 20_011 + round));
  console.log(
    `${tableRows} rows, ${transactions} transactions of ${ROWS_PER_TRANSACTION} of each kind, ${rounds} rounds`,
  );
  console.log('kind    µs a row plain  captured   ratio min / median / max');
  for (const kind of KINDS) {
    const all = measured.map((round) => round[kind]);
    const [plain, captured] = (['plain', 'captured'] as const).map((of) => median(all.map((m) => m[of])));
    const ratios = sorted(all.map((m) => m.ratio));
    const spread = [ratios[0], median(ratios), ratios.at(-1)].map((ratio) => ratio?.toFixed(2)).join(' / ');
    const figures = [plain?.toFixed(1).padStart(14), captured?.toFixed(1).padStart(10), spread.padStart(27)];
    console.log(kind.padEnd(8) + figures.join(''));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
