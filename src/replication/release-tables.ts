/**
 * Lets go of captured tables that a change of the rules leaves out: their numbers, and all that is known of their rows.
 * The rows stay where they are. Triggers are the installer's to remove, who finds that no captured table has them.
 *
 * Which tables these are is written down when the change is adopted. A table that comes to bear a name which the rules
 * leave out, as one that is renamed does, stays captured: nobody has seen to it that what was written to it has crossed.
 */
import type { Database } from 'better-sqlite3';
import { narrowGap } from './capture-gap.js';
import { inclusionBy } from './included-tables.js';
import { metadataTable, PREFIX } from './metadata-schema.js';
import type { NodeState } from './node-state.js';
import { readRegistryEntries } from './registry.js';
import type { RuleRow } from './rules.js';

/** What is kept of a table's rows beside its metadata. What waits in quarantine stays: no table that has any is left out. */
const KEPT_BY_TABLE = [`${PREFIX}former`, `${PREFIX}former_value`, `${PREFIX}watch`];

/** Those of the captured tables that one of these globs leaves out, by these rules. */
export function leftOutBy(rows: readonly RuleRow[], globs: readonly string[], captured: readonly string[]): string[] {
  const ruleFor = inclusionBy(rows);
  return captured.filter((name) => {
    const rule = ruleFor(name);
    return rule !== null && !rule.included && globs.includes(rule.glob);
  });
}

/** Names of tables that are to be let go of. */
export function readLeaving(db: Database): ReadonlySet<string> {
  const stored = readState(db, 'leaving');
  return new Set(stored === '' ? [] : (JSON.parse(stored) as string[]));
}

/** The same, as the process knows it that serves the file. */
export function namesLeaving(state: NodeState): readonly string[] {
  const stored = state.get('leaving') ?? '';
  return stored === '' ? [] : (JSON.parse(stored) as string[]);
}

/** Inside the caller's transaction. */
export function addLeaving(state: NodeState, names: readonly string[]): void {
  state.set('leaving', JSON.stringify([...new Set([...namesLeaving(state), ...names])]));
}

/** Inside the caller's transaction. */
export function releaseTables(db: Database): void {
  const names = readLeaving(db);
  if (names.size === 0) return;
  // A number is not used again: entries of the log may still bear it.
  writeState(db, 'table_ids', BigInt(highestTableId(db)));
  const unregister = db.prepare<[bigint]>(`DELETE FROM ${PREFIX}table WHERE id = ?`);
  for (const { id, name } of readRegistryEntries(db)) {
    if (!names.has(name)) continue;
    unregister.run(BigInt(id));
    db.exec(`DROP TABLE IF EXISTS main.${metadataTable(id)}`);
    for (const kept of KEPT_BY_TABLE) db.prepare<[bigint]>(`DELETE FROM ${kept} WHERE tbl = ?`).run(BigInt(id));
  }
  writeState(db, 'gap', narrowGap(readState(db, 'gap'), names));
  writeState(db, 'leaving', '');
}

/** The highest number that a table has or had. */
export function highestTableId(db: Database): number {
  const registered = readRegistryEntries(db).map(({ id }) => id);
  return Math.max(0, Number(readState(db, 'table_ids')), ...registered);
}

function readState(db: Database, name: string): string {
  const value = db.prepare<[string]>(`SELECT value FROM ${PREFIX}state WHERE name = ?`).pluck().get(name);
  return String(value ?? '');
}

function writeState(db: Database, name: string, value: string | bigint): void {
  db.prepare(
    `INSERT INTO ${PREFIX}state(name, value) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value`,
  ).run(name, value);
}
