/** Backups, and what became of them, for people. */
import type { Ansis } from 'ansis';
import type { BackupProgress, BackupReport } from '../operations/backup/backup-report.js';
import type { BackupItem } from '../operations/backup/list-backups.js';
import type { RestoreReport } from '../operations/backup/restore-database.js';
import type { VerifiedBackup } from '../operations/backup/verify-backup.js';
import { stepsToJoin } from '../operations/join-anew.js';
import type { Progress } from '../progress-line.js';
import { renderBytes, renderCount } from '../render-figures.js';
import { renderTable } from '../render-table.js';
import { shellWord } from '../shell-word.js';
import { renderCounts } from './render-rejoin.js';

export function copyProgress({ phase, done, total }: BackupProgress): Progress {
  return { label: phase === 'copy' ? 'copying' : 'compressing', unit: 'bytes', done, total };
}

export function unpackProgress(done: number, total: number): Progress {
  return { label: 'unpacking', unit: 'bytes', done, total };
}

export function renderBackup({ path, bytes, sha256, rows, durationMs }: BackupReport): string {
  return `${path}\n${renderBytes(bytes)}, ${renderCount(rows, 'row')}, ${durationMs} ms, sha256 ${sha256}`;
}

export function renderBackups(items: readonly BackupItem[], paint: Ansis): string {
  if (items.length === 0) return 'no backups';
  return renderTable(
    [{ title: 'database' }, { title: 'node' }, { title: 'at' }, { title: 'size', align: 'right' }, { title: 'path' }],
    items.map(({ database, node, at, bytes, complete, path }) => [
      database,
      node,
      at,
      renderBytes(bytes),
      complete ? path : `${path} ${paint.red('(its manifest is missing)')}`,
    ]),
  );
}

export function renderVerified(verified: VerifiedBackup, paint: Ansis): string {
  const { path, ok, problems, rows, foreignKeyViolations, durationMs } = verified;
  if (!ok) return [`${path} is ${paint.red.bold('DAMAGED')}`, ...problems.map((problem) => `  ${problem}`)].join('\n');
  const count = foreignKeyViolations ?? 0;
  const orphans = count === 0 ? '' : `; ${renderCount(count, 'row')} without the parent that a foreign key names`;
  return `${path} is ${paint.green.bold('sound')}: ${renderCount(rows ?? 0, 'row')}, ${durationMs} ms${orphans}`;
}

const BECOMES: Readonly<Record<RestoreReport['as'], (report: RestoreReport) => string>> = {
  rejoin: ({ node }) => `node ${node}, which goes on from there`,
  rollback: ({ dataset }) => `the first member of a new data set, ${dataset}`,
  copy: () => 'an ordinary file, without sqlsync',
};

export function renderRestore(report: RestoreReport): string {
  const { path, at, rows, restored, as } = report;
  return `${path} ${restored ? 'is' : 'would be'} as it was at ${at}, ${renderCount(rows, 'row')}: ${BECOMES[as](report)}`;
}

/** What to know, and what to do next. */
export function restoreNotes(report: RestoreReport): string[] {
  const { as, node, setAside, mustJoin, leftOut, restored, configured } = report;
  const notes = [];
  if (setAside !== null) notes.push(`the file that was there ${restored ? 'is' : 'would be'} ${setAside}`);
  if (setAside !== null && as === 'rejoin') notes.push(...notesOnSetAside(report, setAside));
  if (leftOut > 0)
    notes.push(`${renderCount(leftOut, 'row version')} waited outside the tables, and are not in the copy`);
  if (mustJoin.length > 0)
    notes.push(`of the old data set: ${mustJoin.join(', ')}. They are refused until each has joined this one anew`);
  if (as === 'rejoin')
    notes.push(`what ${node} lacks comes from the others. If they no longer keep it: sqlsync rejoin`);
  if (as === 'copy' || !restored) return notes;
  if (configured && mustJoin.length > 0) return [...notes, ...stepsToJoin(mustJoin, report)];
  return [...notes, nextStep(report)];
}

/** What was written after the backup comes back from the others, if they had it. */
function notesOnSetAside({ onlyInSetAside, restored, path }: RestoreReport, setAside: string): string[] {
  if (onlyInSetAside === null) return ['whether something is only in there, it cannot tell'];
  const total = Object.values(onlyInSetAside).reduce((sum, count) => sum + count, 0);
  if (total === 0) return [];
  const changes = `${renderCount(total, 'change')} in there (${renderCounts(onlyInSetAside)})`;
  const what = `${changes} are neither in the backup nor, as far as it knew, on another node`;
  if (!restored) return [`${what}: think twice`];
  const back = `mv ${shellWord(setAside)} ${shellWord(path)}`;
  return [`${what}. To look at them: sqlite3 ${shellWord(setAside)}`, `to go on from there instead, now: ${back}`];
}

/** A backup holds neither the configuration nor the secret. */
function nextStep({ configured, path, database, node }: RestoreReport): string {
  if (configured) return 'next: sqlsync start';
  const init = `sqlsync init ${shellWord(path)} --name ${shellWord(database)} --node ${shellWord(node)}`;
  return `no configuration has this file. Put yours and the secret back, or next: ${init} --secret-file FILE`;
}
