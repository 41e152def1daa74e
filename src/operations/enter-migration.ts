/** Enters what an application's migration wrote into the change log, in transactions of bounded size, table by table. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import type { Limits } from '../config-limits.js';
import type { MigratedTable, MigrationEnd } from '../replication/application-migration.js';
import { OP } from '../replication/metadata-schema.js';
import { MigrationEntries } from '../replication/migration-entries.js';
import { findDifferences, type RowDifference } from '../replication/table-differences.js';
import type { MigrationImage } from './migration-image.js';
import type { TableReport } from './migration-report.js';

/** Entries of one transaction: some 50 ms. */
const BATCH_ROWS = 20_000;

export interface EnterOptions {
  readonly db: Database;
  readonly image: Pick<MigrationImage, 'compare' | 'pageRows'>;
  readonly limits: Pick<Limits, 'lockGapMs'>;
  /** Called now and then, with the rows entered so far. */
  readonly onProgress: (table: string, rows: number) => void;
}

export async function enterMigration(end: MigrationEnd, options: EnterOptions): Promise<TableReport[]> {
  const entries = new MigrationEntries(options.db, end.room);
  const reports: TableReport[] = [];
  for (const table of end.tables) reports.push(await enterTable(table, entries, options));
  return reports;
}

async function enterTable(
  { name, fate, pair }: MigratedTable,
  entries: MigrationEntries,
  { image, limits, onProgress }: EnterOptions,
): Promise<TableReport> {
  const counts = new Map<number, number>();
  const count = (op: number) => counts.get(op) ?? 0;
  if (pair !== null) {
    const rows = (batch: readonly RowDifference[]) => {
      entries.enter(pair.after.id, batch);
      for (const { op } of batch) counts.set(op, count(op) + 1);
    };
    let entered = 0;
    for (const batch of batches(findDifferences(image.compare, pair, image.pageRows))) {
      rows(batch);
      entered += batch.length;
      onProgress(name, entered);
      await delay(limits.lockGapMs);
    }
  }
  return { name, fate, inserted: count(OP.insert), updated: count(OP.update), deleted: count(OP.delete) };
}

function* batches(rows: Iterable<RowDifference>): Generator<RowDifference[]> {
  let batch: RowDifference[] = [];
  for (const row of rows) {
    batch.push(row);
    if (batch.length < BATCH_ROWS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
