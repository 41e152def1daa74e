/**
 * What capture costs an application: its inserts, updates and deletes on a plain table against a captured one, 100 rows a
 * transaction, WAL, synchronous NORMAL. Run with `npx tsx scripts/bench-capture.ts [rounds] [transactions]`; the two
 * kinds take turns, each round in files of its own, and the ratios are of rounds that stood side by side.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { captureTriggers } from '../src/replication/capture-triggers.js';
import { createLog } from '../src/replication/metadata-schema.js';
import { readSchema } from '../src/replication/read-schema.js';
import type { CapturedTable } from '../src/replication/table-schema.js';

const ITEMS =
  'CREATE TABLE items(id TEXT PRIMARY KEY, a INT, b INT, name TEXT, note TEXT, price REAL, data BLOB, updated INT)';
const ROWS_PER_TRANSACTION = 100;
const KINDS = ['insert', 'update', 'delete'] as const;
type Kind = (typeof KINDS)[number];
type Timing = Record<Kind, { microsPerRow: number; walBytesPerRow: number }>;

const rounds = Number(process.argv[2] ?? 9);
const transactions = Number(process.argv[3] ?? 200);

/** xorshift32: every file sees the same keys and values. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function makeRows(count: number): unknown[][] {
  const next = randomNumbers(20_011);
  const hex = () => next().toString(16).padStart(8, '0');
  return Array.from({ length: count }, (_, i) => [
    hex() + hex() + hex() + hex(),
    next() % 1000,
    next(),
    `item ${hex()}`,
    `note ${hex()} ${hex()} ${hex()}`,
    next() / 100,
    Buffer.from(hex() + hex() + hex() + hex()),
    i,
  ]);
}

function captureItems(db: Database.Database): void {
  const schema = readSchema(db).tables[0];
  if (schema === undefined) throw new Error('the table is refused');
  const columns = schema.columns.map(({ name }, id) => ({ id, name }));
  const table: CapturedTable = { id: 10, name: 'items', columns, schema, strategy: 'merge', internal: false };
  db.exec(createLog(1, 1));
  for (const trigger of captureTriggers(table)) db.exec(trigger.sql);
}

function runRound(file: string, captured: boolean, rows: unknown[][]): Timing {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.exec(ITEMS);
  if (captured) captureItems(db);
  const statements = {
    insert: db.prepare('INSERT INTO items VALUES(?, ?, ?, ?, ?, ?, ?, ?)'),
    update: db.prepare('UPDATE items SET a = a + 1, note = ?, updated = ? WHERE id = ?'),
    delete: db.prepare('DELETE FROM items WHERE id = ?'),
  };
  const timing = {} as Timing;
  for (const kind of KINDS) {
    const parameters = rows.map((row) =>
      kind === 'insert' ? row : kind === 'update' ? [`${row[4]}!`, Number(row[7]) + 1, row[0]] : [row[0]],
    );
    db.pragma('wal_checkpoint(TRUNCATE)');
    db.pragma('wal_autocheckpoint = 0');
    const start = process.hrtime.bigint();
    for (let at = 0; at < parameters.length; at += ROWS_PER_TRANSACTION) {
      db.exec('BEGIN');
      for (const values of parameters.slice(at, at + ROWS_PER_TRANSACTION)) statements[kind].run(...values);
      db.exec('COMMIT');
    }
    const micros = Number(process.hrtime.bigint() - start) / 1000;
    const wal = statSync(`${file}-wal`).size;
    timing[kind] = { microsPerRow: micros / rows.length, walBytesPerRow: wal / rows.length };
  }
  db.close();
  return timing;
}

const sorted = (numbers: number[]) => [...numbers].sort((x, y) => x - y);
const median = (numbers: number[]) => sorted(numbers)[numbers.length >> 1] ?? Number.NaN;

const folder = mkdtempSync(join(tmpdir(), 'bench-capture-'));
try {
  const rows = makeRows(transactions * ROWS_PER_TRANSACTION);
  const plain: Timing[] = [];
  const captured: Timing[] = [];
  for (let round = 0; round < rounds; round++) {
    const isCapturedFirst = round % 2 === 1;
    for (const isCaptured of [isCapturedFirst, !isCapturedFirst]) {
      (isCaptured ? captured : plain).push(runRound(join(folder, `${round}-${isCaptured}.db`), isCaptured, rows));
    }
  }
  console.log(`${rows.length} rows, ${ROWS_PER_TRANSACTION} a transaction, ${rounds} rounds`);
  console.log('kind     plain µs  captured µs  ratio min/median/max  extra WAL bytes');
  for (const kind of KINDS) {
    const ratios = sorted(plain.map((timing, i) => (captured[i]?.[kind].microsPerRow ?? Number.NaN) / timing[kind].microsPerRow));
    const micros = [plain, captured].map((timings) => median(timings.map((timing) => timing[kind].microsPerRow)).toFixed(2));
    const wal = (captured[0]?.[kind].walBytesPerRow ?? 0) - (plain[0]?.[kind].walBytesPerRow ?? 0);
    const spread = [ratios[0], median(ratios), ratios.at(-1)].map((ratio) => ratio?.toFixed(2)).join(' / ');
    console.log(`${kind.padEnd(9)}${micros[0]?.padStart(8)}${micros[1]?.padStart(13)}${spread.padStart(22)}${wal.toFixed(0).padStart(17)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
