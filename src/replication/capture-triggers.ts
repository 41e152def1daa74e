/**
 * The triggers that record an application's writes: what happened to which key, and for an update which columns changed.
 * They run inside the application's own statements, in whatever SQLite it brings, so they append one log entry and do
 * nothing else; and an update that changes nothing appends none.
 */
import { changedColumns, type ScopeNames } from './changed-columns.js';
import { checkTriggers } from './check-triggers.js';
import { appendEntry } from './log-entry.js';
import { OP, PREFIX } from './metadata-schema.js';
import { quoteIdentifier } from './sql-text.js';
import { rowidNames, sameKeySql } from './table-identity.js';
import type { CapturedTable } from './table-schema.js';

export interface Trigger {
  readonly name: string;
  readonly sql: string;
}

/** Every trigger that a captured table should have. The order is that in which they are made. */
export function captureTriggers(table: CapturedTable, scopeNames: ScopeNames = new Map()): Trigger[] {
  const update = updateTrigger(table, scopeNames);
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
 * A new key is the end of one row and the beginning of another. UPDATE OF goes by the names that a statement sets, so where
 * the key is the rowid its other names are there too.
 */
function keyTrigger(table: CapturedTable): Trigger {
  const name = triggerName(table, 'key');
  const { source, columns } = table.schema.identity;
  const aliases = source === 'integer-primary-key' ? rowidNames(table.schema.columns) : [];
  const of = ` OF ${[...columns.map((c) => c.name), ...aliases].map(quoteIdentifier).join(',')}`;
  const entries = [
    appendEntry({ tableId: table.id, op: OP.delete, masks: [], key: keyOf(table, 'OLD') }),
    appendEntry({ tableId: table.id, op: OP.insert, masks: [], key: keyOf(table, 'NEW') }),
  ];
  return {
    name,
    sql: `CREATE TRIGGER ${name} AFTER UPDATE${of} ON ${quoteIdentifier(table.name)} WHEN NOT(${sameKeySql(table.schema, 'OLD.', 'NEW.')}) BEGIN ${entries.join('')} END`,
  };
}

/** Null for a table whose rows cannot change while their key stays. */
function updateTrigger(table: CapturedTable, scopeNames: ScopeNames): Trigger | null {
  const changed = changedColumns(table, scopeNames);
  if (changed === null) return null;
  const name = triggerName(table, 'update');
  const entry = appendEntry({ tableId: table.id, op: OP.update, masks: changed.masks, key: keyOf(table, 'NEW') });
  const when = `${sameKeySql(table.schema, 'OLD.', 'NEW.')} AND ${changed.any}`;
  return {
    name,
    sql: `CREATE TRIGGER ${name} AFTER UPDATE ON ${quoteIdentifier(table.name)} WHEN ${when} BEGIN ${entry} END`,
  };
}
