/** Where a row lives on that has lost its allocated key to another. */
import type { ApplyContext } from './apply-context.js';
import { derivedKey } from './derived-key.js';
import type { ReplicatedTable } from './replicated-table.js';
import type { RowVersion, SqlValue } from './row-version.js';
import type { Stamp } from './stamp.js';

export interface NewHome {
  readonly table: ReplicatedTable;
  readonly key: readonly SqlValue[];
  readonly newKey: readonly SqlValue[];
  /** The insert by which the row lives: its node wrote the references that mean it, later than this. */
  readonly life: Stamp;
}

/** Where the row would live on that has this version under this key. */
export function homeOf(table: ReplicatedTable, key: readonly SqlValue[], { life }: RowVersion): NewHome {
  return { table, key, newKey: [derivedKey(table.captured.name, key[0] as bigint, life)], life };
}

/** Is the row, and not some other, in its table under the new key? */
export function isIn({ table, newKey, life }: NewHome, { quarantine }: ApplyContext): boolean {
  if (quarantine.get(table, newKey) !== undefined || !table.rows.exists(newKey)) return false;
  const version = table.metadata.get(newKey);
  return version !== undefined && version.life.hlc > life.hlc;
}

/** The row's image with its new key. */
export function underNewKey({ table, newKey }: NewHome, image: readonly SqlValue[]): SqlValue[] {
  const [place] = table.rows.keyPlaces;
  return image.map((value, i) => (i === place ? (newKey[0] as SqlValue) : value));
}
