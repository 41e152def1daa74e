/** What a migration has come to, for people: what was entered as this node's writes, and who has to migrate yet. */
import type { MigrationReport, TableReport } from '../operations/migration-report.js';
import type { MigrationPlan } from '../operations/plan-migration.js';
import { renderCount } from '../render-figures.js';
import { shellWord } from '../shell-word.js';

const FATES: Record<TableReport['fate'], string> = {
  untouched: '',
  written: 'written to',
  'made-anew': 'made anew',
  rekeyed: 'has another key: every row counts as a new one',
  new: 'new, and replicates from now on',
  dropped: 'gone',
};

/** What would be done, for --dry-run. */
export function renderMigrationPlan({ path, journalMode, tables }: MigrationPlan, command: readonly string[]): string {
  const image = journalMode === 'wal' ? 'a reader keeps what it was' : 'a copy keeps what it was';
  return [
    `would hold sqlsync off ${path}; ${image}`,
    `would lift the triggers of ${tables.join(', ') || 'no table'}`,
    `would run: ${command.map(shellWord).join(' ')}`,
    'would put the triggers back, and enter what differs as changes of this node',
  ].join('\n');
}

export function renderMigration({ database, tables, refused, schemaChanged, behind }: MigrationReport): string {
  const lines = tables
    .filter(({ fate, ...counts }) => fate !== 'untouched' || rowsOf(counts) > 0)
    .map((table) => `${database}: ${table.name} ${FATES[table.fate] || 'written past its triggers'}${changes(table)}`);
  return [
    ...(lines.length > 0 ? lines : [`${database}: nothing was written to the tables that replicate`]),
    ...refused.map(({ name, reason }) => `${database}: ${name} cannot replicate: ${reason}`),
    ...nextSteps(schemaChanged, behind),
  ].join('\n');
}

type Counts = Pick<TableReport, 'inserted' | 'updated' | 'deleted'>;

const rowsOf = ({ inserted, updated, deleted }: Counts) => inserted + updated + deleted;

function changes(counts: Counts): string {
  const { inserted, updated, deleted } = counts;
  if (rowsOf(counts) === 0) return ', no row differs';
  const parts = [
    ...(inserted > 0 ? [`${renderCount(inserted, 'row')} inserted`] : []),
    ...(updated > 0 ? [`${updated.toLocaleString('en')} changed`] : []),
    ...(deleted > 0 ? [`${deleted.toLocaleString('en')} deleted`] : []),
  ];
  return `, ${parts.join(', ')}: now changes of this node`;
}

/** Rows wait on either side where tables are not alike; nothing is lost. */
function nextSteps(schemaChanged: boolean, behind: MigrationReport['behind']): string[] {
  if (!schemaChanged) return [];
  const names = (known: boolean) => behind.filter((one) => one.known === known).map(({ node }) => node);
  const [others, silent] = [names(true), names(false)];
  return [
    ...(others.length > 0
      ? [`next: the same migration on ${others.join(', ')}: until then rows wait, here and there (sqlsync status)`]
      : []),
    ...(silent.length > 0
      ? [`not known: whether ${silent.join(', ')} has run it; rows wait where it has not (sqlsync status)`]
      : []),
  ];
}
