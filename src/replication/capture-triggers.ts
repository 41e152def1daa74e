/**
 * The triggers that record an application's writes: what happened to which key, and for an update which columns changed.
 * They run inside the application's own statements, in whatever SQLite it brings, so they append one log entry and do
 * nothing else; and an update that changes nothing appends none.
 */
import { checkTriggers } from './check-triggers.js';
import { appendEntry } from './log-entry.js';
import { MASK_BITS, maskColumn, OP, PREFIX } from './metadata-schema.js';
import { quoteIdentifier } from './sql-text.js';
import { sameKeySql } from './table-identity.js';
import type { CapturedColumn, CapturedTable, ColumnSchema } from './table-schema.js';

export interface Trigger {
  readonly name: string;
  readonly sql: string;
}

/** Every trigger that a captured table should have. The order is that in which they are made. */
export function captureTriggers(table: CapturedTable): Trigger[] {
  const update = updateTrigger(table);
  return [
    insertTrigger(table),
    ...(update === null ? [] : [update]),
    deleteTrigger(table),
    keyTrigger(table),
    ...checkTriggers(table),
  ];
}

const triggerName = (table: CapturedTable, kind: string): string => `${PREFIX}${table.id}_${kind}`;

const keyOf = (table: CapturedTable, row: 'NEW' | 'OLD'): string[] =>
  table.schema.identity.columns.map((column) => `${row}.${quoteIdentifier(column.name)}`);

function insertTrigger(table: CapturedTable): Trigger {
  const name = triggerName(table, 'insert');
  const entry = appendEntry({ tableId: table.id, op: OP.insert, masks: [], key: keyOf(table, 'NEW') });
  return { name, sql: `CREATE TRIGGER ${name} AFTER INSERT ON ${quoteIdentifier(table.name)} BEGIN ${entry} END` };
}

function deleteTrigger(table: CapturedTable): Trigger {
  const name = triggerName(table, 'delete');
  const entry = appendEntry({ tableId: table.id, op: OP.delete, masks: [], key: keyOf(table, 'OLD') });
  return { name, sql: `CREATE TRIGGER ${name} AFTER DELETE ON ${quoteIdentifier(table.name)} BEGIN ${entry} END` };
}

/**
 * A new key is the end of one row and the beginning of another. UPDATE OF would spare the test where the statement sets
 * no key column, but it does not see `UPDATE t SET rowid = …`, so where the key is the rowid every update is tested.
 */
function keyTrigger(table: CapturedTable): Trigger {
  const name = triggerName(table, 'key');
  const { source, columns } = table.schema.identity;
  const of = source === 'integer-primary-key' ? '' : ` OF ${columns.map((c) => quoteIdentifier(c.name)).join(',')}`;
  const entries = [
    appendEntry({ tableId: table.id, op: OP.delete, masks: [], key: keyOf(table, 'OLD') }),
    appendEntry({ tableId: table.id, op: OP.insert, masks: [], key: keyOf(table, 'NEW') }),
  ];
  return {
    name,
    sql: `CREATE TRIGGER ${name} AFTER UPDATE${of} ON ${quoteIdentifier(table.name)} WHEN NOT(${sameKeySql(table.schema, 'OLD.', 'NEW.')}) BEGIN ${entries.join('')} END`,
  };
}

/** Null for a table of nothing but its key, whose spelling cannot change. */
function updateTrigger(table: CapturedTable): Trigger | null {
  const name = triggerName(table, 'update');
  const changes = table.columns.flatMap((column) => {
    const sql = changedSql(table, column);
    return sql === null ? [] : [{ id: column.id, sql }];
  });
  if (changes.length === 0) return null;
  const masks = Array.from(
    { length: Math.floor(Math.max(...table.columns.map((c) => c.id)) / MASK_BITS) + 1 },
    (_, i) => {
      const bits = changes.filter(({ id }) => Math.floor(id / MASK_BITS) === i);
      return [maskColumn(i), bits.map(({ id, sql }) => `((${sql})<<${id % MASK_BITS})`).join('|') || '0'] as const;
    },
  );
  const entry = appendEntry({ tableId: table.id, op: OP.update, masks, key: keyOf(table, 'NEW') });
  const changed = anyOf(changes.map(({ sql }) => sql));
  return {
    name,
    sql: `CREATE TRIGGER ${name} AFTER UPDATE ON ${quoteIdentifier(table.name)} WHEN ${sameKeySql(table.schema, 'OLD.', 'NEW.')} AND(${changed}) BEGIN ${entry} END`,
  };
}

/**
 * Did an update change the column, to the byte and the storage class? Null where it cannot while the key is the same.
 * Text is equal to other text under its column's collation, hence BINARY. 1 is equal to 1.0, and both can stand only in
 * a column without affinity. (0.0 and -0.0 cannot be told apart in SQL.)
 */
function changedSql(table: CapturedTable, { name }: CapturedColumn): string | null {
  const { affinity, collation, declaredType } = columnSchema(table, name);
  const mixesNumbers = affinity === 'BLOB' && !(table.schema.strict && declaredType.toUpperCase() === 'BLOB');
  const key = table.schema.identity.columns.find((column) => column.name === name);
  if (key !== undefined && key.collation === 'BINARY' && !mixesNumbers) return null;
  const column = quoteIdentifier(name);
  const differs = `OLD.${column} IS NOT NEW.${column}${collation === 'BINARY' ? '' : ' COLLATE BINARY'}`;
  return mixesNumbers ? `${differs} OR typeof(OLD.${column})<>typeof(NEW.${column})` : differs;
}

/** An OR over many terms as a balanced tree: SQLite bounds the depth of an expression, not its size. */
function anyOf(terms: readonly string[]): string {
  if (terms.length <= 2) return terms.join(' OR ');
  const half = terms.length >> 1;
  return `(${anyOf(terms.slice(0, half))})OR(${anyOf(terms.slice(half))})`;
}

function columnSchema(table: CapturedTable, name: string): ColumnSchema {
  const column = table.schema.columns.find((candidate) => candidate.name === name);
  if (column === undefined) throw new Error(`${table.name} has no column ${name}`);
  return column;
}
