/** Takes away the backups of one database of this node that the configuration does not have kept. */
import { type Config, pickDatabase } from '../../config.js';
import { configSchema } from '../../config-schema.js';
import type { BackupStore } from './backup-store.js';
import { type BackupItem, pruneBackups } from './list-backups.js';
import type { BackupsKept } from './retention.js';

export interface PruneBackupsRequest {
  /** Undefined: the only one of the configuration. */
  readonly database: string | undefined;
  readonly store: BackupStore;
  readonly dryRun: boolean;
}

export function pruneBackupsOf(
  config: Config,
  { database, store, dryRun }: PruneBackupsRequest,
): Promise<BackupItem[]> {
  const owner = { database: pickDatabase(config, database).name, node: config.node };
  return pruneBackups(store, owner, config.backup?.keep ?? keptByDefault(), dryRun);
}

function keptByDefault(): BackupsKept {
  const { keep } = configSchema.shape.backup.parse({}) ?? {};
  if (keep === undefined) throw new Error('the schema has no default for backup.keep');
  return keep;
}
