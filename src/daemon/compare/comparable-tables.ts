/** Which tables two nodes can compare, and in which columns; what only one of them has cannot be called equal. */
import { SqlsyncError } from '../../errors.js';
import type { ComparedTable } from '../../replication/compare-messages.js';

export interface ComparableTables {
  readonly tables: readonly ComparedTable[];
  /** Names of those that the other side has with every column that they have here. */
  readonly whole: ReadonlySet<string>;
  /** What only one side has, in words; null: both have the same. */
  readonly lacking: string | null;
}

/** @param theirs null: the same as ours */
export function comparableTables(
  ours: readonly ComparedTable[],
  theirs: readonly ComparedTable[] | null,
  peer: string,
): ComparableTables {
  if (theirs === null) return { tables: ours, whole: new Set(ours.map(({ name }) => name)), lacking: null };
  const lacking: string[] = [];
  const whole = new Set<string>();
  const byName = new Map(theirs.map((table) => [table.name, table]));
  const tables = ours.flatMap((table) => {
    const other = byName.get(table.name);
    byName.delete(table.name);
    if (other === undefined) lacking.push(`${peer} has no table ${table.name}`);
    else if (keyOf(other) !== keyOf(table)) lacking.push(`the key of ${table.name} is another on ${peer}`);
    else {
      const columns = table.columns.filter((column) => other.columns.includes(column));
      const unlike = new Set([...table.columns, ...other.columns].filter((column) => !columns.includes(column)));
      if (unlike.size > 0) lacking.push(`only one side has ${[...unlike].join(', ')} of ${table.name}`);
      if (columns.length === table.columns.length) whole.add(table.name);
      return [{ ...table, columns }];
    }
    return [];
  });
  for (const name of byName.keys()) lacking.push(`there is no table ${name} here`);
  return { tables, whole, lacking: lacking.length === 0 ? null : lacking.join('; ') };
}

const keyOf = ({ key }: ComparedTable): string =>
  JSON.stringify(key.map(({ column, collation }) => [column, collation]));

/** Those of the tables asked for (null: all) that both nodes have. Throws 'usage' for one that does not replicate here. */
export function chooseTables(
  common: readonly ComparedTable[],
  ours: readonly ComparedTable[],
  names: readonly string[] | null,
): readonly ComparedTable[] {
  const unknown = names?.find((name) => !ours.some((table) => table.name === name));
  if (unknown !== undefined) {
    throw new SqlsyncError('usage', `no table ${JSON.stringify(unknown)} replicates`, {
      hint: `those that do: ${ours.map(({ name }) => name).join(', ') || 'none'}`,
    });
  }
  return common.filter(({ name }) => names === null || names.includes(name));
}
