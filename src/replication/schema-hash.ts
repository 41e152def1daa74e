/**
 * Hashes of what two nodes must have alike to exchange rows. Whatever may differ without harm is left out: the order of
 * columns, names of indexes, declared types of one affinity, defaults, triggers, views, foreign keys.
 */
import { createHash } from 'node:crypto';
import type { TableSchema } from './table-schema.js';

const sha256 = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');
const byText = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0);

/** 64 hex digits for one table. */
export function tableHash(table: Omit<TableSchema, 'hash'>): string {
  const columns = table.columns.map((c) =>
    JSON.stringify([c.name, c.affinity, c.collation.toLowerCase(), c.notNull, c.generated !== 'no']),
  );
  const identity = table.identity.columns.map((c) => [c.name, c.collation.toLowerCase()]);
  const uniques = table.uniqueIndexes.map((index) => {
    const terms = index.terms.map((t) => JSON.stringify([t.column, t.expression, t.collation.toLowerCase()]));
    return JSON.stringify([terms.sort(byText), index.where]);
  });
  const isInteger = table.identity.source === 'integer-primary-key';
  return sha256([table.strict, table.withoutRowid, isInteger, columns.sort(byText), identity, uniques.sort(byText)]);
}

/** 64 hex digits for all captured tables of a file, in whatever order they come. */
export function schemaHash(tables: readonly Pick<TableSchema, 'name' | 'hash'>[]): string {
  return sha256(tables.map((table) => `${table.hash} ${table.name}`).sort(byText));
}
