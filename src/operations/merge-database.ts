/**
 * `join --merge`: a file with rows of its own and a peer's snapshot become one. First a forecast, which changes nothing
 * anywhere; then the merge, in the draft that takes the file's place as a whole.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { renderCount } from '../render-figures.js';
import { readNodeIdentity } from '../replication/file-contents.js';
import { type MergedTable, type MergeForecast, mergedTables, withFileAttached } from '../replication/merge-files.js';
import { type MergeOutcome, type MergeParties, type MergePreference, TableMerge } from '../replication/merge-rows.js';
import { OperatorWrites } from '../replication/operator-writes.js';
import { readSchema } from '../replication/read-schema.js';
import { readRegistry } from '../replication/registry.js';
import type { Machine } from './machine.js';
import { operationRecord } from './record-operation.js';

export interface MergeRequest {
  /** Null: nothing was said, which is enough where nothing is in conflict. */
  readonly preference: MergePreference | null;
  /** Only the forecast is wanted. */
  readonly dryRun: boolean;
}

/** The command's flags as a request; null: no merge. */
export function mergeFrom(flags: {
  readonly merge: boolean;
  readonly prefer?: string | undefined;
  readonly 'newest-by'?: string | undefined;
  readonly 'dry-run': boolean;
}): MergeRequest | null {
  const { merge, prefer, 'newest-by': column, 'dry-run': dryRun } = flags;
  if (dryRun && !merge) throw new SqlsyncError('usage', '--dry-run goes with --merge');
  if (!merge) return null;
  if (column !== undefined) return { preference: { by: 'newest', column }, dryRun };
  return { preference: prefer === undefined ? null : { by: prefer as 'here' | 'there' | 'manual' }, dryRun };
}

export interface MergeReport {
  readonly forecast: readonly MergeForecast[];
  /** Null: only the forecast was wanted. */
  readonly outcome: readonly MergeOutcome[] | null;
}

/** What would become of the rows of the file at `path`. Throws schema-differs for tables that cannot be merged. */
export function forecastMerge(draftPath: string, path: string, { files }: Machine): MergeForecast[] {
  return withBoth(draftPath, path, files, (db, tables) => tables(db).map((table) => table.forecast(db)));
}

/** Throws usage where rows are in conflict and it was not said which stand. */
export function assertSettled(forecast: readonly MergeForecast[], { preference }: MergeRequest): void {
  const conflicting = forecast.filter(({ conflicts }) => conflicts > 0);
  if (conflicting.length === 0 || preference !== null) return;
  const words = conflicting.map(({ name, conflicts }) => `${name} (${renderCount(conflicts, 'row')})`);
  throw new SqlsyncError('usage', `both files have rows of one key with different values: ${words.join(', ')}`, {
    hint: 'say which stand: --prefer here, --prefer there, --prefer manual (decide later), or --newest-by COLUMN',
  });
}

/** Merges the file at `path`, which is only read, into the draft, in one transaction. */
export function mergeInto(
  draftPath: string,
  path: string,
  { preference, command }: { readonly preference: MergePreference; readonly command: string },
  parties: MergeParties,
  machine: Machine,
): MergeOutcome[] {
  const { files } = machine;
  return withBoth(draftPath, path, files, (db, tables) =>
    OperatorWrites.transaction(db, parties.nowMs, (writes) => {
      const outcome = tables(db).map((table) => mergeTable(writes, table, preference, parties));
      const detail = { preference, peer: parties.there, tables: outcome };
      writes.recordOperation(operationRecord(parties.here, { command, detail }, machine));
      return outcome;
    }),
  );
}

function mergeTable(
  writes: OperatorWrites,
  table: MergedTable,
  preference: MergePreference,
  parties: MergeParties,
): MergeOutcome {
  const { name, columns } = table.captured;
  const isKnown = preference.by !== 'newest' || columns.some((column) => column.name === preference.column);
  if (!isKnown && table.forecast(writes.db).conflicts > 0) {
    throw new SqlsyncError('usage', `${name} has rows in conflict, and no column ${preference.column}`, {
      hint: 'choose with --prefer instead, or a column that every such table has',
    });
  }
  return new TableMerge(writes, table, isKnown ? preference : { by: 'there' }, parties).run();
}

type TablesOf = (db: Database) => MergedTable[];

function withBoth<Result>(
  draftPath: string,
  path: string,
  files: Machine['files'],
  work: (db: Database, tables: TablesOf) => Result,
): Result {
  const { schema, dataset, encoding } = files.withSnapshot(path, (db) => ({
    schema: readSchema(db),
    dataset: readNodeIdentity(db)?.dataset ?? null,
    encoding: encodingOf(db),
  }));
  return files.withConnection(draftPath, (db) => {
    if (encoding !== encodingOf(db)) throw otherEncoding(path, encoding, encodingOf(db));
    if (dataset !== null && dataset === readNodeIdentity(db)?.dataset) throw sameDataset(path);
    return withFileAttached(db, path, () => work(db, () => mergedTables(db, readRegistry(db), schema)));
  });
}

function encodingOf(db: Database): string {
  return String(db.pragma('encoding', { simple: true }));
}

/** SQLite attaches no file of another encoding. */
function otherEncoding(path: string, here: string, there: string): SqlsyncError {
  return new SqlsyncError('encoding-differs', `${path} keeps text as ${here}, the peer's file as ${there}`, {
    hint: `make a file with PRAGMA encoding = '${there}', load the rows into it (sqlite3's .dump), and join that`,
  });
}

/** Its rows have their history: merged without it, what others have deleted would come back. */
function sameDataset(path: string): SqlsyncError {
  return new SqlsyncError('usage', `${path} belongs to this data set already`, {
    hint: '`sqlsync sync` exchanges what is new; a node that was away for too long comes back with `sqlsync rejoin`',
  });
}
