/** Follows the changes of a file from a process of its own, whether a daemon serves the file or not. */
import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseConfig } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { identityIn } from './assert-initialised.js';
import { type ChangeEvent, ChangeFollower } from './change-follower.js';
import type { ChangeQuery } from './change-report.js';
import type { DatabaseFiles } from './database-files.js';

/** Time between two looks at a file in which nothing was new. */
const LOOK_AGAIN_MS = 200;

/**
 * Batches of events until the signal aborts, which is thrown. A file that the application keeps locked is looked at
 * again later. Throws `database-replaced` when the path leads to another file.
 */
export async function* followChanges(
  { name, path }: DatabaseConfig,
  { from, ...query }: ChangeQuery & { readonly from: string | null },
  { files, signal }: { readonly files: DatabaseFiles; readonly signal: AbortSignal },
): AsyncGenerator<ChangeEvent[]> {
  const real = files.locate(path);
  const file = files.fileIdentity(real);
  const connection = files.connect(path);
  try {
    const follower = connection.use((db) => {
      identityIn(db, path);
      return new ChangeFollower(db, name, query, from);
    });
    for (;;) {
      const events = connection.use(() => follower.next());
      if (events.length > 0) yield events;
      if (!follower.isBehind) await delay(LOOK_AGAIN_MS, undefined, { signal });
      signal.throwIfAborted();
      if (files.fileIdentity(real) !== file) throw replaced(path);
    }
  } finally {
    connection.close();
  }
}

function replaced(path: string): SqlsyncError {
  return new SqlsyncError('database-replaced', `${path} has been replaced or removed while it was followed`, {
    hint: 'follow again if the new file is meant: what it remembers may not go on where the old one ended',
  });
}
