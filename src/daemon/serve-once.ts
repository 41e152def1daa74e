/** Serves a file as a daemon would, without one: this process takes its lock for as long as the work lasts. */
import type { Logger } from 'pino';
import type { DatabaseConfig, Limits } from '../config.js';
import { DatabaseService } from './database/database-service.js';

export interface ServeOnceOptions {
  readonly limits: Limits;
  readonly logger: Logger;
  /** Ends the wait for a lock that an application holds. */
  readonly signal?: AbortSignal;
}

/** Throws what keeps the file from being served, `database-in-use` among it. */
export async function serveOnce<Result>(
  { name, path, identity }: DatabaseConfig,
  { limits, logger, signal = new AbortController().signal }: ServeOnceOptions,
  work: (service: DatabaseService) => Promise<Result>,
): Promise<Result> {
  const failed: unknown[] = [];
  const onFatal = (error: unknown) => failed.push(error);
  const service = await DatabaseService.open({ name, path, identity, limits, logger, signal, onFatal });
  let result: Result;
  try {
    service.start();
    result = await work(service);
  } finally {
    await service.stop();
  }
  if (failed.length > 0) throw failed[0];
  return result;
}
