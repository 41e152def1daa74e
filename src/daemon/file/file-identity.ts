import { statSync } from 'node:fs';

/** Which file a path leads to, by device and inode; null when to none. Another file under the same name differs. */
export function fileIdentity(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? null : `${stat.dev}:${stat.ino}`;
}
