/**
 * What an application's ALTER TABLE has done to a captured table's columns, and whether the triggers have seen all other
 * writes meanwhile. ADD COLUMN and DROP COLUMN leave a trigger's text alone, RENAME COLUMN changes names in it: when the
 * text is what these make of it, nothing went past the triggers but writes to columns that are new.
 */
import { createHash } from 'node:crypto';
import { captureTriggers } from './capture-triggers.js';
import { capturedTable, type RegistryEntry, shippedColumns } from './registry.js';
import type { TableRules, TableSchema } from './table-schema.js';

/** More renames between two looks at the schema are not told from columns that went and others that came. */
const RENAMES_MAX = 3;

export interface ColumnSurvey {
  /** Old name → new name. */
  readonly renamed: ReadonlyMap<string, string>;
  /** Columns that are new. */
  readonly added: readonly string[];
}

/** The digest of a table's triggers, in the file's order of their names. */
export function triggersDigest(triggers: readonly { readonly name: string; readonly sql: string }[]): string {
  const texts = triggers.map(({ name, sql }) => `${name} ${sql}`).sort();
  return createHash('sha256').update(texts.join('\n')).digest('hex').slice(0, 32);
}

/** Null: writes may have gone past the triggers, or it cannot be told. */
export function surveyColumns(
  entry: RegistryEntry,
  schema: TableSchema,
  rules: TableRules,
  inFile: string,
): ColumnSurvey | null {
  const present = shippedColumns(schema);
  const gone = entry.columns.filter((name): name is string => name !== null && !present.includes(name));
  const added = present.filter((name) => !entry.columns.includes(name));
  for (const names of arrangements(added, gone.length)) {
    const renamed = new Map(gone.map((name, i) => [name, names[i] as string]));
    const columns = entry.columns.map((name) => (name === null ? null : (renamed.get(name) ?? name)));
    const table = capturedTable({ ...entry, columns }, schema, rules);
    const scopeNames = new Map(entry.columns.flatMap((name, id) => (name === null ? [] : [[id, name] as const])));
    if (triggersDigest(captureTriggers(table, scopeNames)) !== inFile) continue;
    return { renamed, added: added.filter((name) => !names.includes(name)) };
  }
  return entry.triggers === inFile ? { renamed: new Map(), added } : null;
}

/** Every way to pick `count` of the names in order; none for more than RENAMES_MAX. */
function* arrangements(names: readonly string[], count: number): Generator<readonly string[]> {
  if (count === 0) yield [];
  else if (count <= RENAMES_MAX) {
    for (const name of names) {
      const others = names.filter((other) => other !== name);
      for (const rest of arrangements(others, count - 1)) yield [name, ...rest];
    }
  }
}
