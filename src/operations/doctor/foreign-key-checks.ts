/** Traps of foreign keys: scans, keys that cannot be enforced, and keys across the border of what replicates. */
import type { ForeignKeyPlan } from '../../replication/foreign-key-plans.js';
import { quoteIdentifier } from '../../replication/sql-text.js';
import { type DatabaseFinding, found } from './finding.js';
import type { SchemaFacts } from './schema-facts.js';

export function checkForeignKeys({ foreignKeys, tables }: SchemaFacts): DatabaseFinding[] {
  const replicated = new Set(tables.map(({ name }) => name.toLowerCase()));
  const isReplicated = (name: string) => replicated.has(name.toLowerCase());
  return foreignKeys.flatMap((key) => [
    ...inEnforcement(key),
    ...inLookup(key),
    ...acrossBorder(key, isReplicated(key.table), isReplicated(key.parentTable)),
  ]);
}

const nameOf = ({ table, columns }: ForeignKeyPlan) => `${table}(${columns.join(', ')})`;

function inEnforcement(key: ForeignKeyPlan): DatabaseFinding[] {
  if (key.broken === null) return [];
  const message = `${nameOf(key)} refers to ${key.parentTable}, but ${key.broken}: with foreign_keys on, writes to either table fail`;
  return [found('foreign-key-broken', message, 'mend the reference, or the parent’s UNIQUE index, in a migration')];
}

function inLookup(key: ForeignKeyPlan): DatabaseFinding[] {
  if (key.isScanned !== true) return [];
  const { table, columns, parentTable, parentColumns, uselessIndex } = key;
  const harm = `each delete in ${parentTable} reads all of ${table}, and so does the search for orphans when changes arrive`;
  if (uselessIndex !== null) {
    const message = `the index ${uselessIndex} is of no use to ${nameOf(key)}, whose type or collation is not that of ${parentTable}(${parentColumns.join(', ')}): ${harm}`;
    return [
      found(
        'foreign-key-unindexed',
        message,
        'declare the column as the parent’s is, in the next migration on every node',
      ),
    ];
  }
  const index = quoteIdentifier(`${table}_${columns.join('_')}`);
  const what = `on every node: CREATE INDEX ${index} ON ${quoteIdentifier(table)}(${columns.map(quoteIdentifier).join(', ')})`;
  return [found('foreign-key-unindexed', `no index on ${nameOf(key)}: ${harm}`, what)];
}

function acrossBorder(key: ForeignKeyPlan, isChildReplicated: boolean, isParentReplicated: boolean): DatabaseFinding[] {
  const { table, parentTable, acts } = key;
  if (isChildReplicated && !isParentReplicated && key.parentColumns.length > 0) {
    const message = `${nameOf(key)} replicates, ${parentTable} that it refers to does not: on other nodes its rows may have no parent`;
    return [found('foreign-key-to-excluded', message, `take it in: sqlsync rules include ${parentTable}`)];
  }
  if (!isChildReplicated && isParentReplicated) {
    const spread = acts
      ? 'and what the key does to them by itself (CASCADE, SET NULL) does not happen then'
      : 'whatever rows refer to them here';
    const message = `${nameOf(key)} does not replicate, ${parentTable} does: deletes that arrive from other nodes are applied, ${spread}`;
    return [
      found(
        'foreign-key-from-excluded',
        message,
        `take it in: sqlsync rules include ${table}; or look for orphans now and then`,
      ),
    ];
  }
  return [];
}
