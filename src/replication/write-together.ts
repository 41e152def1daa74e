/**
 * Rows that a UNIQUE index has refused one by one find room together where they stand in each other's way only: two that
 * swap their values, or a chain whose first has moved on.
 */
import type { Database } from 'better-sqlite3';
import { constraintOf } from './apply-context.js';
import type { ReplicatedTable } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import type { SqlValue } from './row-version.js';

interface Waiting {
  readonly table: ReplicatedTable;
  readonly key: readonly SqlValue[];
  readonly image: readonly SqlValue[];
}

/** Writes those that can be. All of them end up among the written or the refused. */
export function writeTogether<Row extends Waiting>(
  db: Database,
  rows: readonly Row[],
): { readonly written: Row[]; readonly refused: Row[] } {
  const written: Row[] = [];
  const refused: Row[] = [];
  let waiting = writeAlone([...rows], written);
  for (;;) {
    const names = new Set(waiting.map(nameOf));
    const blocked = waiting.filter((row) => holdersOf(row).some((holder) => !names.has(holder)));
    if (blocked.length === 0) break;
    refused.push(...blocked);
    waiting = waiting.filter((row) => !blocked.includes(row));
  }
  while (waiting.length > 0) {
    const culprit = tryTogether(db, waiting);
    if (culprit === null) return { written: [...written, ...waiting], refused };
    refused.push(culprit);
    waiting = waiting.filter((row) => row !== culprit);
  }
  return { written, refused };
}

/** Writes each that finds room, again and again: one may make room for another. Returns the others. */
function writeAlone<Row extends Waiting>(rows: Row[], written: Row[]): Row[] {
  for (let before = rows; ; ) {
    const left = new Set(before.filter((row) => !tryAlone(row)));
    written.push(...before.filter((row) => !left.has(row)));
    if (left.size === before.length) return before;
    before = [...left];
  }
}

function tryAlone({ table, image }: Waiting): boolean {
  try {
    table.rows.write(image);
    return true;
  } catch (error) {
    if (constraintOf(error) === null) throw error;
    return false;
  }
}

/** Takes all of them out, and puts them in as they are to be. Returns one that is refused all the same; then nothing has changed. */
function tryTogether<Row extends Waiting>(db: Database, rows: readonly Row[]): Row | null {
  db.exec('SAVEPOINT write_together');
  for (const { table, key } of rows) table.rows.delete(key);
  const culprit = rows.find((row) => !tryAlone(row)) ?? null;
  db.exec(`${culprit === null ? '' : 'ROLLBACK TO write_together; '}RELEASE write_together`);
  return culprit;
}

function nameOf({ table, key }: Pick<Waiting, 'table' | 'key'>): string {
  return `${table.captured.id} ${canonicalKey(key, table.collations)}`;
}

/** Names of the other rows that hold a UNIQUE value of this one. */
function holdersOf({ table, key, image }: Waiting): string[] {
  const own = nameOf({ table, key });
  return table.unique
    .of(image)
    .map((collision) => nameOf({ table, key: collision.key }))
    .filter((name) => name !== own);
}
