/**
 * Brings a deleted row back for the sake of those that refer to it: from the image that was kept when its deletion was
 * applied, by a write of this node that covers the deletion. Its own parents come back with it where their rule says so.
 */
import { type ApplyContext, constraintOf } from './apply-context.js';
import { insertByItself } from './own-writes.js';
import type { Reference, ReplicatedTable } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import type { SqlValue } from './row-version.js';

/**
 * `there`: it is in its table. `elsewhere`: this node has no image of it, another may. Else why it cannot come back, in
 * words.
 */
export type Restoration = 'there' | 'elsewhere' | { readonly refused: string };

/** `above` names the rows on whose behalf this one is wanted: a cycle of references ends there. */
export function restoreParent(
  table: ReplicatedTable,
  key: readonly SqlValue[],
  context: ApplyContext,
  above: ReadonlySet<string> = new Set(),
): Restoration {
  const name = `${table.captured.id} ${canonicalKey(key, table.collations)}`;
  if (above.has(name) || table.rows.exists(key)) return 'there';
  if (context.quarantine.get(table, key) !== undefined) return { refused: 'a version of it waits in quarantine' };
  const image = context.former.imageOf(table, key);
  if (image === null) return 'elsewhere';
  for (const reference of table.references) {
    const refused = ownParentRefuses(reference, image, context, new Set([...above, name]));
    if (refused !== null) return { refused };
  }
  try {
    insertByItself(table, key, image, context);
  } catch (error) {
    if (constraintOf(error) === null) throw error;
    return { refused: (error as Error).message };
  }
  return 'there';
}

/** Why a row cannot come back without its own parent; null: it can, or has it. */
function ownParentRefuses(
  reference: Reference,
  image: readonly SqlValue[],
  context: ApplyContext,
  above: ReadonlySet<string>,
): string | null {
  const { child, parent, key } = reference;
  const places = key.childColumns.map(({ name }) => child.definition.columns.indexOf(name));
  if (places.includes(-1)) return null;
  const missing = reference.rows.missing(places.map((place) => image[place] as SqlValue));
  if (missing === null) return null;
  const keys = key.identityPlaces === null ? context.former.holdersOf(parent, key, missing) : [missing];
  const isThere = (parentKey: readonly SqlValue[]) => restoreParent(parent, parentKey, context, above) === 'there';
  if (child.captured.rules.orphan === 'restore-parent' && keys.some(isThere)) return null;
  // It would be deleted again, here or elsewhere, and its own children would want it back for ever.
  if (child.captured.rules.orphan === 'delete' && !keys.some((parentKey) => isAbove(parent, parentKey, above)))
    return `its own parent in ${parent.captured.name} is gone`;
  return null;
}

function isAbove(table: ReplicatedTable, key: readonly SqlValue[], above: ReadonlySet<string>): boolean {
  return above.has(`${table.captured.id} ${canonicalKey(key, table.collations)}`);
}
