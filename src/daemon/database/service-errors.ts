/** What a database in the daemon has to say when it cannot be served as it should. */
import { type ErrorCode, SqlsyncError } from '../../errors.js';
import type { Replica } from '../../replication/replica.js';
import { shellWord } from '../../shell-word.js';

const OWN_TROUBLE: readonly ErrorCode[] = [
  'disk-full',
  'disk-io',
  'database-read-only',
  'database-permission',
  'database-damaged',
];

export const STAGE_LOST = 'a half applied catch-up cannot be gone on with, and goes on when a peer sends it again';
export const CATCH_UP_LOST =
  'the rest of a catch-up is with a removed node alone, which writes it again when it rejoins: this node goes on without';

/** A file that may be a copy says nothing to anybody before it is known what it is. */
export function identityUnknown({ node, place }: Pick<Replica, 'node' | 'place'>, path: string): SqlsyncError {
  const command = `sqlsync identity ${shellWord(path)}`;
  return new SqlsyncError(
    'identity-unknown',
    `${path} says it is node ${node}, last served as ${place?.path}: is it a copy?`,
    {
      hint: `type ${command} --moved, if that file is gone; --restored, if this one is a backup of it; --copied, if both go on`,
    },
  );
}

export function eventsLost(path: string, cause: unknown): SqlsyncError {
  return new SqlsyncError('disk-io', `changes of ${path} are only noticed by polling: ${(cause as Error).message}`, {
    hint: 'raise fs.inotify.max_user_watches (sysctl)',
    cause,
  });
}

/** What keeps peers' changes out for a reason that is this machine's own, and no peer's; null: this is none. */
export function ownTrouble(error: unknown): SqlsyncError | null {
  if (!(error instanceof SqlsyncError) || !OWN_TROUBLE.includes(error.code)) return null;
  const message = `${error.message}; meanwhile nothing that peers send is applied here, and it waits with them`;
  return new SqlsyncError(error.code, message, error.hint === null ? {} : { hint: error.hint });
}
