/** Errors of the file system about backups, in the registry's words. Anything else passes through unchanged. */
import { dirname } from 'node:path';
import { SqlsyncError } from '../../errors.js';
import { shellWord } from '../../shell-word.js';

const NO_ROOM = ['ENOSPC', 'EDQUOT', 'EFBIG'];
const REFUSED = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ELOOP', 'ENAMETOOLONG', 'ESTALE', 'ETIMEDOUT'];

export function storeError(error: unknown, path: string): unknown {
  if (error instanceof SqlsyncError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  if (NO_ROOM.includes(code)) {
    const hint = 'free some space; nothing was left behind';
    return new SqlsyncError('disk-full', `${path} cannot be written: the disk is full`, { hint, cause: error });
  }
  if (code === 'ENOENT') return missingBackup(path, error);
  if (code === 'EIO') {
    const hint = 'look at the kernel log (`dmesg`) and the disk';
    return new SqlsyncError('disk-io', `${path} cannot be read or written`, { hint, cause: error });
  }
  if (!REFUSED.includes(code)) return error;
  return new SqlsyncError('backup-store', `${path}: ${message}`, {
    hint: 'see that the user of sqlsync may read and write there',
    cause: error,
  });
}

export function missingBackup(path: string, cause?: unknown): SqlsyncError {
  return new SqlsyncError('backup-missing', `there is no ${path}`, { hint: listBeside(path), cause });
}

export function damagedBackup(path: string, how: string): SqlsyncError {
  return new SqlsyncError('backup-damaged', `${path} ${how}`, { hint: `take another backup: ${listBeside(path)}` });
}

/** What lists the backups that stand in the place of this one, whatever the configuration says. */
function listBeside(path: string): string {
  return `\`sqlsync backup list --to ${shellWord(dirname(path))}\``;
}
