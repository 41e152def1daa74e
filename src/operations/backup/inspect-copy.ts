/** What is in a copy of a database, and whether it is sound. The copy is nobody else's. */

import { type BackupFacts, readBackupFacts, rowCountStatements } from '../../replication/backup-facts.js';
import type { DatabaseFiles } from '../database-files.js';
import { readInThread, type ThreadAnswer } from './read-in-thread.js';

export interface CopyContents {
  /** Null: sqlsync is not installed in it. */
  readonly facts: BackupFacts | null;
  readonly rows: Readonly<Record<string, number>>;
  readonly rowsTotal: number;
}

export interface CopySoundness {
  /** What SQLite finds wrong; empty: nothing. */
  readonly damage: readonly string[];
  /** Rows whose foreign keys lead nowhere: the application's affair, and no damage. */
  readonly foreignKeyViolations: number;
}

type Files = Pick<DatabaseFiles, 'withConnection'>;

export async function inspectCopy(path: string, files: Files, signal?: AbortSignal): Promise<CopyContents> {
  const { facts, counts } = files.withConnection(path, (db) => ({
    facts: readBackupFacts(db),
    counts: rowCountStatements(db),
  }));
  const answers = await readInThread(
    path,
    counts.map(({ sql }) => sql),
    signal,
  );
  // A table that cannot be counted has no figure, here as in a backup's manifest.
  const rows = Object.fromEntries(
    counts.flatMap(({ table }, i) => {
      const [count] = valuesOf(answers[i]);
      return count === undefined ? [] : [[table, Number(count)]];
    }),
  );
  return { facts, rows, rowsTotal: Object.values(rows).reduce((sum, count) => sum + count, 0) };
}

const NEEDS_THE_APPLICATION = /^no such (collation|function|module)/;

/** An index that needs the application's own collations is not to be checked from here; the rest of the file is. */
export async function checkSoundness(path: string, signal?: AbortSignal): Promise<CopySoundness> {
  const ask = (statements: readonly string[]) => readInThread(path, statements, signal);
  const [whole, references] = await ask(['PRAGMA integrity_check', 'SELECT count(*) FROM pragma_foreign_key_check']);
  const isOpaque = whole !== undefined && 'error' in whole && NEEDS_THE_APPLICATION.test(whole.error);
  const damage = damageIn(isOpaque ? (await ask(['PRAGMA quick_check']))[0] : whole);
  return { damage, foreignKeyViolations: Number(valuesOf(references)[0] ?? 0) };
}

function damageIn(answer: ThreadAnswer | undefined): string[] {
  if (answer === undefined) return ['not checked'];
  if ('error' in answer) return [answer.error];
  return answer.values.map(String).filter((line) => line !== 'ok');
}

function valuesOf(answer: ThreadAnswer | undefined): readonly unknown[] {
  return answer !== undefined && 'values' in answer ? answer.values : [];
}
