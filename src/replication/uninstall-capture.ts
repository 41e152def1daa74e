/**
 * Removes all that sqlsync has put into a file, in one transaction: what remains of the schema is what it was, in its
 * order. Rows that are parked outside their tables go back into them where they fit. On an ordinary connection, not one with a private schema. SQLite itself removes the statistics of dropped tables.
 */
import type { Database } from 'better-sqlite3';
import { isOurs } from './read-schema.js';
import { putParkedBack, readRowsAside } from './rows-aside.js';
import { quoteIdentifier } from './sql-text.js';
import { existingTriggers } from './trigger-drift.js';
import { writeTriggers } from './write-triggers.js';

export function uninstallCapture(db: Database): void {
  db.transaction(() => {
    if (readRowsAside(db).tables.some(({ parked }) => parked > 0)) putParkedBack(db);
    const triggers = existingTriggers(db).map((trigger) => trigger.name);
    writeTriggers(db, triggers, []);
    const tables = db.prepare<[], string>(`SELECT name FROM main.sqlite_schema WHERE type = 'table'`).pluck().all();
    for (const name of tables.filter(isOurs)) db.exec(`DROP TABLE main.${quoteIdentifier(name)}`);
  }).immediate();
}
