/**
 * Keeps sqlsync off a file while its application's migration runs: the daemon that serves it is asked to leave it alone,
 * or this process takes the file's lock, so that none can start. Should a daemon that was asked die meanwhile, the lock is
 * taken at once, before another one starts.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Limits } from '../config-limits.js';
import type { DatabaseConfig } from '../config-schema.js';
import { SqlsyncError } from '../errors.js';
import type { FileHold } from '../operations/migrate-database.js';
import { ControlClient } from './control/control-client.js';
import { migrating } from './database/hold-database.js';
import { DatabaseLock } from './file/database-lock.js';
import { SideDirectory } from './file/side-directory.js';
import { serveOnce } from './serve-once.js';

export interface HoldFileOptions {
  /** The file's real path. */
  readonly path: string;
  readonly database: DatabaseConfig;
  readonly limits: Limits;
  readonly logger: Logger;
}

const SCRATCH_ID = 'migration';
/** How long a daemon that was let go may take to say that it goes on. */
const GOING_ON_MS_MAX = 5_000;
const LOOK_EVERY_MS = 20;

/** Throws `catching-up`, `migrating`, `database-in-use`, and what keeps a file from being served. */
export async function holdFile(options: HoldFileOptions): Promise<FileHold> {
  const daemon = await ControlClient.find(options.path);
  return daemon === null ? holdByItself(options) : holdByDaemon(options.path, daemon);
}

async function holdByDaemon(path: string, daemon: ControlClient): Promise<FileHold> {
  const held = await daemon.hold(path);
  const side = SideDirectory.open(path);
  let isLetGo = false;
  let lock: DatabaseLock | null = null;
  held.ended.then(() => {
    if (!isLetGo) lock = tryLock(side);
  });
  return {
    daemonPid: daemon.pid,
    scratchPath: side.snapshotPath(SCRATCH_ID),
    release: async () => {
      isLetGo = true;
      held.letGo();
      await held.ended;
      lock?.release();
      if (lock === null) await untilGoingOn(path);
    },
  };
}

function passOverTrouble(error: unknown): void {
  if (!(error instanceof SqlsyncError)) throw error;
}

/** Null: somebody else was faster. */
function tryLock(side: SideDirectory): DatabaseLock | null {
  try {
    return DatabaseLock.take(side, new Date());
  } catch {
    return null;
  }
}

/** The daemon takes up its work some milliseconds after it has been let go. */
async function untilGoingOn(path: string): Promise<void> {
  const untilMs = performance.now() + GOING_ON_MS_MAX;
  while (performance.now() < untilMs) {
    const status = await (await ControlClient.find(path))?.status();
    const problems = status?.databases.find((database) => database.path === path)?.problems ?? [];
    if (problems.every(({ code }) => code !== 'migrating')) return;
    await delay(LOOK_EVERY_MS);
  }
}

/** Serves the file as a daemon would, and leaves it alone in between: what is there is folded before and after. */
function holdByItself({ database, limits, logger }: HoldFileOptions): Promise<FileHold> {
  const letGo = new AbortController();
  return new Promise((resolve, reject) => {
    const over = serveOnce(database, { limits, logger }, async (service) => {
      await service.migration.begin(migrating(database.name));
      const release = () => {
        letGo.abort();
        return over;
      };
      resolve({ daemonPid: null, scratchPath: service.side.snapshotPath(SCRATCH_ID), release });
      await once(letGo.signal, 'abort');
      service.migration.end();
      // What cannot be folded now is folded by whoever serves the file next.
      await service.fold().catch(passOverTrouble);
    });
    over.catch(reject);
  });
}
