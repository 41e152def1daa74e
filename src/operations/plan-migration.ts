/** What a migration would be run on, looked at without changing anything. */
import { resolve } from 'node:path';
import type { Config } from '../config.js';
import { readMigrationStart } from '../replication/application-migration.js';
import { identityIn } from './assert-initialised.js';
import { configuredDatabase } from './configuration-target.js';
import type { DatabaseFiles } from './database-files.js';
import { databaseNameFromPath } from './default-names.js';

export interface MigrationPlan {
  /** Its name in the configuration, or one made of its path. */
  readonly database: string;
  readonly path: string;
  /** The node that the file belongs to. */
  readonly node: string;
  readonly journalMode: string;
  /** Tables whose triggers would be lifted. */
  readonly tables: readonly string[];
}

/** Throws database-not-initialised, format-older, `migrating` and `coverage-partial`. */
export function planMigration(
  nameOrPath: string,
  config: Config | null,
  files: Pick<DatabaseFiles, 'withSnapshot'>,
): MigrationPlan {
  const named = config?.databases.find(({ name }) => name === nameOrPath) ?? null;
  const path = named?.path ?? resolve(nameOrPath);
  const configured = named ?? (config && configuredDatabase({ file: config.file, existing: config }, path));
  return files.withSnapshot(path, (db) => {
    const identity = identityIn(db, path);
    return {
      database: configured?.name ?? databaseNameFromPath(path),
      path,
      node: identity.node,
      journalMode: String(db.pragma('journal_mode', { simple: true })),
      tables: readMigrationStart(db).tables.map(({ name }) => name),
    };
  });
}
