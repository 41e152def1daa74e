/** Decides about quarantined changes while no daemon runs: serves the file for as long as it takes, and logs nothing. */
import type { DatabaseConfig, Limits } from '../config.js';
import type { QuarantineDecision, QuarantineRequest } from '../operations/running-daemon.js';
import { decideKept } from './database/decide-kept.js';
import { createLogger } from './logger.js';
import { serveOnce } from './serve-once.js';

export function decideOnce(
  database: DatabaseConfig,
  request: QuarantineRequest,
  limits: Limits,
): Promise<QuarantineDecision[]> {
  const logger = createLogger({ level: 'silent', format: 'json', destination: process.stderr, environment: {} });
  return serveOnce(database, { limits, logger }, (service) => decideKept(service, request));
}
