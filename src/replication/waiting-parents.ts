/**
 * A row whose parent waits for the application's migration waits with it. In its table it would refer to nothing, and a
 * migration that checks foreign keys, as Django's does, would fail for the very row that waits for it.
 */
import type { ReplicatedTable } from './replicated-table.js';
import type { SqlValue } from './row-version.js';

/** Why the row has to wait; null: it need not. `waiting` names the tables of which rows wait. */
export function waitsForParent(
  table: ReplicatedTable,
  image: readonly SqlValue[] | null,
  waiting: ReadonlySet<string>,
): string | null {
  if (image === null || waiting.size === 0) return null;
  for (const { parent, key, rows } of table.references) {
    if (!waiting.has(parent.captured.name)) continue;
    const values = key.childColumns.map(({ name }) => image[table.definition.columns.indexOf(name)] ?? null);
    if (!values.includes(null) && rows.missing(values) !== null) return `its parent in ${parent.captured.name} waits`;
  }
  return null;
}
