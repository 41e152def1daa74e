/**
 * Has quarantined changes tried again, or given up. Only the process that holds the file's lock may: the daemon that
 * serves it, or this one while none does.
 */
import type { DatabaseConfig } from '../config.js';
import { findAnyDaemon } from './find-any-daemon.js';
import type { ChosenChange } from './list-quarantine.js';
import type { Machine } from './machine.js';
import type { FindDaemon, QuarantineDecision, QuarantineRequest } from './running-daemon.js';

export interface DecideQuarantineDeps extends Pick<Machine, 'files' | 'operator'> {
  readonly findDaemon: FindDaemon;
  /** The same by this process, which takes the file's lock for it. */
  readonly decideOnce: (database: DatabaseConfig, request: QuarantineRequest) => Promise<QuarantineDecision[]>;
}

/** Changes that one request speaks of. */
const IDS_PER_REQUEST_MAX = 5_000;

/** What became of one change. */
export interface QuarantineReport extends Pick<ChosenChange, 'id' | 'database' | 'table' | 'key'> {
  readonly outcome: QuarantineDecision['outcome'];
  /** SQLite's words, of a change that was refused again. */
  readonly error: string | null;
}

/**
 * @param act retry: try again; discard: give up, on every node
 * @param command as it was typed, for the record of operations
 */
export async function decideQuarantine(
  database: DatabaseConfig,
  act: QuarantineRequest['act'],
  { changes, command }: { readonly changes: readonly ChosenChange[]; readonly command: string },
  deps: DecideQuarantineDeps,
): Promise<QuarantineReport[]> {
  const outcomes = new Map<string, QuarantineDecision>();
  for (let first = 0; first < changes.length; first += IDS_PER_REQUEST_MAX) {
    const ids = changes.slice(first, first + IDS_PER_REQUEST_MAX).map(({ id }) => id);
    const request = { act, database: database.name, ids, operator: deps.operator, command };
    const daemon = await findAnyDaemon([database], deps);
    const decisions = await (daemon === null ? deps.decideOnce(database, request) : daemon.decideQuarantine(request));
    for (const decision of decisions) outcomes.set(decision.id, decision);
  }
  return changes.map(({ id, table, key }) => {
    const { outcome, error } = outcomes.get(id) ?? { outcome: 'gone', error: null };
    return { id, database: database.name, table, key, outcome, error };
  });
}
