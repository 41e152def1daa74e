/** Drizzle: files of SQL as drizzle-kit writes them, run by its migrator in one transaction. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { migrate } from 'drizzle-orm/better-sqlite3/migrator';
import { makeFolder } from '../make-folder.js';
import type { OrmProgram } from './orm-program.js';

const FILES = [
  `CREATE TABLE \`customers\` (
	\`id\` text PRIMARY KEY NOT NULL,
	\`name\` text NOT NULL,
	\`age\` integer,
	\`email\` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX \`customers_email_unique\` ON \`customers\` (\`email\`);--> statement-breakpoint
CREATE TABLE \`orders\` (
	\`id\` text PRIMARY KEY NOT NULL,
	\`customer_id\` text,
	\`total\` numeric,
	FOREIGN KEY (\`customer_id\`) REFERENCES \`customers\`(\`id\`) ON UPDATE no action ON DELETE cascade
);
`,
  `ALTER TABLE \`customers\` RENAME COLUMN "name" TO "label";--> statement-breakpoint
DROP INDEX \`customers_email_unique\`;--> statement-breakpoint
PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE \`__new_customers\` (
	\`id\` text PRIMARY KEY NOT NULL,
	\`label\` text NOT NULL,
	\`age\` text DEFAULT 'unknown',
	\`city\` text DEFAULT 'nowhere'
);
--> statement-breakpoint
INSERT INTO \`__new_customers\`("id", "label", "age") SELECT "id", "label", "age" FROM \`customers\`;--> statement-breakpoint
DROP TABLE \`customers\`;--> statement-breakpoint
ALTER TABLE \`__new_customers\` RENAME TO \`customers\`;--> statement-breakpoint
PRAGMA foreign_keys=ON;
`,
];

function makeMigrations(upTo: number): string {
  const folder = makeFolder();
  mkdirSync(join(folder, 'meta'));
  const tags = ['0000_create', '0001_alter'].slice(0, upTo);
  for (const [i, tag] of tags.entries()) writeFileSync(join(folder, `${tag}.sql`), FILES[i] as string);
  const entries = tags.map((tag, idx) => ({
    idx,
    version: '6',
    when: 1_700_000_000_000 + idx,
    tag,
    breakpoints: true,
  }));
  writeFileSync(join(folder, 'meta', '_journal.json'), JSON.stringify({ version: '7', dialect: 'sqlite', entries }));
  return folder;
}

export const DRIZZLE: OrmProgram = {
  name: 'Drizzle',
  missing: null,
  migrate: async (path, upTo) => {
    const db = new Sqlite(path);
    // Its migrator runs in a transaction, in which the files' own PRAGMA does nothing: applications switch it off before.
    db.pragma('foreign_keys = OFF');
    try {
      migrate(drizzle(db), { migrationsFolder: makeMigrations(upTo) });
    } finally {
      db.close();
    }
  },
};
