/** Whether the triggers see what applications write, now and since the last time that somebody knew. */
import type { CaptureGap } from '../../replication/capture-gap.js';
import type { CaptureInspection } from '../../replication/inspect-capture.js';
import { shellWord } from '../../shell-word.js';
import { type DatabaseFinding, found, listed } from './finding.js';
import type { SchemaFacts } from './schema-facts.js';

export interface CoverageContext {
  /** What may have gone unrecorded; null: nothing is known of. */
  readonly gap: CaptureGap | null;
  /** Does somebody hold the file's lock? Then a migration that has begun is still under way. */
  readonly isLocked: boolean;
}

export function checkCoverage(facts: SchemaFacts, { gap, isLocked }: CoverageContext): DatabaseFinding[] {
  const { identity, inspection, path } = facts;
  const init = `sqlsync init ${shellWord(path)}`;
  if (identity === null) return [found('not-installed', `sqlsync is not installed in ${path}`, init)];
  if (facts.isMigrating) return inMigration(path, isLocked);
  const partial = reasons(inspection).map((reason) => found('coverage-partial', reason, init));
  const lost =
    inspection.lost.length === 0
      ? []
      : [
          found(
            'table-lost',
            `${listed(inspection.lost)}: replicated once, and gone or without a key now`,
            'if a migration has dropped it, do the same on the other nodes; else restore it',
          ),
        ];
  return [...partial, ...lost, ...(gap === null ? [] : [gapFinding(gap, path)])];
}

function inMigration(path: string, isLocked: boolean): DatabaseFinding[] {
  if (isLocked) {
    const message = `the application's migration of ${path} is under way: what it writes is looked for afterwards`;
    return [found('migration-under-way', message, 'wait for it')];
  }
  const message = `a migration of ${path} was cut short: its triggers are lifted, and writes are not recorded`;
  return [
    found(
      'migration-cut-short',
      message,
      `sqlsync start, or sqlsync init ${shellWord(path)}: they put the triggers back`,
    ),
  ];
}

function reasons({ hasLog, tables, extra, undecided }: CaptureInspection): string[] {
  const damaged = tables.filter((table) => table.missing.length + table.changed.length > 0 || table.columnsChanged);
  return [
    ...(hasLog ? [] : ['the change log is gone: nothing is recorded']),
    ...damaged.map(({ name, missing, changed }) => {
      const triggers = [...missing, ...changed];
      const which =
        triggers.length === 0 ? 'a column is not known yet' : `triggers are missing or changed (${listed(triggers)})`;
      return `writes to ${name} are not all recorded: ${which}`;
    }),
    ...(extra.length === 0
      ? []
      : [`triggers that belong to no table that replicates: ${listed(extra.map(({ name }) => name))}`]),
    ...(undecided.length === 0 ? [] : [`tables that have come since init, and do not replicate: ${listed(undecided)}`]),
  ];
}

function gapFinding({ since, tables }: CaptureGap, path: string): DatabaseFinding {
  const at = new Date(since).toISOString();
  const message = `since ${at} writes to ${listed(tables)} may have gone past the triggers, and nobody has compared the rows`;
  return found(
    'coverage-unknown',
    message,
    `sqlsync verify -d ${shellWord(path)}, then sqlsync repair PEER where rows differ`,
  );
}
