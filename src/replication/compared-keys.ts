/** Keys of one table before and after a migration: whether rows can be told apart by both alike, and the SQL for it. */
import { quoteIdentifier } from './sql-text.js';
import type { TableSchema } from './table-schema.js';

type Keyed = Pick<TableSchema, 'columns' | 'identity'>;

/** Names do not matter: a renamed key column holds the same keys. */
export function haveSameKey(before: Keyed, after: Keyed): boolean {
  const shape = ({ identity }: Keyed) =>
    JSON.stringify([
      identity.source === 'integer-primary-key',
      identity.columns.map(({ collation, affinity }) => [collation, affinity]),
    ]);
  return shape(before) === shape(after);
}

/** The key's columns as they are compared and ordered: under the identity's collations, which may not be the columns' own. */
export function keyTerms({ columns, identity }: Keyed, alias: string): string[] {
  return identity.columns.map(({ name, collation }) => {
    const own = columns.find((column) => column.name === name)?.collation;
    return `${alias}.${quoteIdentifier(name)}${own === collation ? '' : ` COLLATE ${quoteIdentifier(collation)}`}`;
  });
}

/** True where a row of `main` under the alias `a` and one from before under `b` have one key. NULL is no key. */
export function sameKey(before: Keyed, after: Keyed): string {
  const [left, right] = [keyTerms(after, 'a'), keyTerms(before, 'b')];
  return left.map((term, i) => `${term} = ${right[i]}`).join(' AND ');
}

/** True for rows that have an identity. */
export function hasKey({ identity }: Keyed, alias: string): string {
  return identity.columns.map(({ name }) => `${alias}.${quoteIdentifier(name)} IS NOT NULL`).join(' AND ');
}
