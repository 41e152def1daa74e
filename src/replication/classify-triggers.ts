/**
 * Which of the application's triggers write only to tables that do not replicate. Those have to fire on applied rows (a
 * full-text index would go stale otherwise); all others must not, since what they did on the node of origin arrives as
 * changes of its own. Only what is proven from byte code counts as local.
 */
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { isOurs } from './read-schema.js';
import { type Instruction, SchemaClone, type SchemaObject } from './schema-clone.js';
import { quoteIdentifier } from './sql-text.js';

/** SQLite's own numbers: what RAISE halts a program with. */
const CONSTRAINT_TRIGGER = 1811;
const ON_ERROR_IGNORE = 4;

export interface TriggerClassification {
  readonly name: string;
  readonly table: string;
  readonly verdict: 'local' | 'no-writes' | 'replicated' | 'unknown';
  /** Tables it writes to: itself, by the triggers it sets off, and by actions of foreign keys. */
  readonly writes: readonly string[];
  /** Why nothing could be proven; null unless the verdict is unknown. */
  readonly reason: string | null;
}

/** What one trigger does by itself. */
interface OwnWrites {
  readonly trigger: SchemaObject;
  readonly writes: ReadonlySet<string>;
  /** Why `writes` may not be all; null when it is. */
  readonly reason: string | null;
  readonly raises: boolean;
}

/** In the order in which the triggers were created. sqlsync's own are not among them. */
export function classifyTriggers(db: Database, replicatedTableNames: readonly string[]): TriggerClassification[] {
  const sql = `SELECT type, name, tbl_name AS "table", sql FROM main.sqlite_schema
    WHERE type IN ('table', 'view', 'trigger') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid`;
  const objects = db
    .prepare<[], SchemaObject>(sql)
    .all()
    .filter((object) => !isOurs(object.name));
  const triggers = objects.filter((object) => object.type === 'trigger');
  if (triggers.length === 0) return [];
  const own = readOwnWrites(objects, triggers);
  const children = readForeignKeyActions(db);
  const replicated = new Set(replicatedTableNames.map((name) => name.toLowerCase()));
  return own.map((one) => classify(one, own, children, replicated));
}

function classify(
  { trigger, writes, reason, raises }: OwnWrites,
  all: readonly OwnWrites[],
  children: ReadonlyMap<string, readonly string[]>,
  replicated: ReadonlySet<string>,
): TriggerClassification {
  const reached = new Set(writes);
  let unproven = reason;
  for (const table of reached) {
    for (const next of all) {
      if (next.trigger.table.toLowerCase() !== table.toLowerCase()) continue;
      unproven ??= next.reason === null ? null : `it sets off ${next.trigger.name}: ${next.reason}`;
      for (const written of next.writes) reached.add(written);
    }
    for (const child of children.get(table.toLowerCase()) ?? []) reached.add(child);
  }
  const { name, table } = trigger;
  const found = { name, table, writes: [...reached].sort(), reason: null };
  // Proven to write what replicates: whatever else it does, it does not fire.
  if ([...reached].some((written) => replicated.has(written.toLowerCase()))) return { ...found, verdict: 'replicated' };
  if (unproven !== null) return { ...found, verdict: 'unknown', reason: unproven };
  if (reached.size === 0) return { ...found, verdict: 'no-writes' };
  if (raises) return { ...found, verdict: 'unknown', reason: 'it may refuse the row with RAISE' };
  return { ...found, verdict: 'local' };
}

/** Tables to which a write of the parent may spread. */
function readForeignKeyActions(db: Database): Map<string, string[]> {
  const sql = `SELECT lower(f."table") AS parent, s.name AS child
    FROM main.sqlite_schema s JOIN pragma_foreign_key_list(s.name, 'main') f
    WHERE s.type = 'table' AND s.rootpage > 0 AND (f.on_delete NOT IN ('NO ACTION', 'RESTRICT') OR f.on_update NOT IN ('NO ACTION', 'RESTRICT'))`;
  const children = new Map<string, string[]>();
  for (const { parent, child } of db.prepare<[], { parent: string; child: string }>(sql).all()) {
    children.set(parent, [...(children.get(parent) ?? []), child]);
  }
  return children;
}

function readOwnWrites(objects: readonly SchemaObject[], triggers: readonly SchemaObject[]): OwnWrites[] {
  const clone = new SchemaClone(objects);
  try {
    const roots = clone.rootPages();
    const virtualTables = clone.virtualTables();
    return triggers.map((trigger) => {
      try {
        return { trigger, ...ownWrites(clone, trigger, roots, virtualTables) };
      } catch (error) {
        if (!(error instanceof SqliteDatabase.SqliteError)) throw error;
        return { trigger, writes: new Set<string>(), reason: error.message, raises: false };
      }
    });
  } finally {
    clone.close();
  }
}

function ownWrites(
  clone: SchemaClone,
  trigger: SchemaObject,
  roots: ReadonlyMap<number, string>,
  virtualTables: ReadonlyMap<string, string>,
): Omit<OwnWrites, 'trigger'> {
  const code = clone.withTrigger(trigger, () =>
    firingStatements(clone, trigger.table).flatMap((sql) => programOf(trigger, explainFiring(clone, sql))),
  );
  const targets = code.flatMap((step) => writeTarget(step, roots, virtualTables) ?? []);
  const writes = new Set(targets.filter((target) => target !== ''));
  const raises = code.some(isRaise);
  const found = (reason: string | null) => ({ writes, reason, raises });
  if (code.length === 0) return found('no statement was found that fires it');
  const missing = code.map(calledFunction).find((name) => name !== null && clone.stubbed.has(name));
  if (missing) return found(`it calls ${missing}(), which only the application has`);
  return found(targets.includes('') ? 'it writes to something that is not in the file' : null);
}

/** An insert, an update of every column and a delete: one of them fires the trigger. */
function firingStatements(clone: SchemaClone, table: string): string[] {
  const columns = clone.writableColumns(table).map(quoteIdentifier);
  const name = quoteIdentifier(table);
  return [
    `INSERT INTO ${name}(${columns.join(', ')}) VALUES(${columns.map(() => 'NULL').join(', ')})`,
    `UPDATE ${name} SET ${columns.map((column) => `${column} = NULL`).join(', ')} WHERE ${columns[0]} = 1`,
    `DELETE FROM ${name} WHERE ${columns[0]} = 1`,
  ];
}

/** A view takes only the statements for which it has an INSTEAD OF trigger. */
function explainFiring(clone: SchemaClone, sql: string): Instruction[] {
  try {
    return clone.explain(sql);
  } catch (error) {
    if (error instanceof Error && /^cannot modify .* because it is a view$/.test(error.message)) return [];
    throw error;
  }
}

/** The trigger's own part of a statement's byte code: each program begins anew at address 0 and names its trigger. */
function programOf(trigger: SchemaObject, code: readonly Instruction[]): Instruction[] {
  let isInside = false;
  return code.filter((step) => {
    if (step.addr === 0) isInside = step.p4 === `-- TRIGGER ${trigger.name}`;
    return isInside;
  });
}

/** The table an instruction writes to; '' for one outside of the file, null for an instruction that does not write. */
function writeTarget(
  { opcode, p1, p2, p3, p4 }: Instruction,
  roots: ReadonlyMap<number, string>,
  virtualTables: ReadonlyMap<string, string>,
): string | null {
  if (opcode === 'OpenWrite') return (p3 === 0 ? roots.get(p2) : undefined) ?? '';
  if (opcode === 'Clear') return (p2 === 0 ? roots.get(p1) : undefined) ?? '';
  if (opcode === 'VUpdate') return virtualTables.get(p4 ?? '') ?? '';
  return null;
}

/** RAISE would stop the apply, or skip the row in silence: the row was accepted where it was written. */
function isRaise({ opcode, p1, p2 }: Instruction): boolean {
  return opcode === 'Halt' && (p1 === CONSTRAINT_TRIGGER || p2 === ON_ERROR_IGNORE);
}

function calledFunction({ opcode, p4 }: Instruction): string | null {
  return opcode === 'Function' || opcode === 'PureFunc' ? (/^(.*)\(-?\d+\)$/.exec(p4 ?? '')?.[1] ?? null) : null;
}
