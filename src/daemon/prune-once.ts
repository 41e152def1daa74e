/** Prunes while no daemon runs: serves each file for as long as it takes, and evicts nobody, not having been listening. */
import type { Config } from '../config.js';
import type { PruneDeps } from '../operations/prune-databases.js';
import type { PrunedHistory } from '../operations/running-daemon.js';
import { pruneDatabase } from './database/prune-database.js';
import { createLogger } from './logger.js';
import { serveOnce } from './serve-once.js';

export async function pruneOnce(
  databases: Parameters<PruneDeps['pruneOnce']>[0],
  { keepLogMs, dryRun }: Parameters<PruneDeps['pruneOnce']>[1],
  { limits, prune }: Pick<Config, 'limits' | 'prune'>,
): Promise<PrunedHistory[]> {
  const logger = createLogger({ level: 'silent', format: 'json', destination: process.stderr, environment: {} });
  const pruned: PrunedHistory[] = [];
  const keep = { ...prune, keepLogMs: keepLogMs ?? prune.keepLogMs };
  const request = { keep, eviction: null, dryRun };
  for (const database of databases) {
    pruned.push(await serveOnce(database, { limits, logger }, (service) => pruneDatabase(service, request)));
  }
  return pruned;
}
