/** A file system that is small enough to fill: where the user may mount one. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const DISK_BYTES = 8 * 1024 * 1024;

/** A small file system at the path; says why there can be none. */
export function mountSmallDisk(path: string): string | null {
  mkdirSync(path, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', path], { stdio: 'pipe' });
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

export function unmount(path: string): void {
  execFileSync('umount', ['--lazy', path], { stdio: 'ignore' });
}

/** Null: one can be had. */
export const smallDiskRefused = tryOnce();

function tryOnce(): string | null {
  const trial = mkdtempSync(join(tmpdir(), 'sqlsync-'));
  const refused = mountSmallDisk(trial);
  if (refused === null) unmount(trial);
  rmSync(trial, { recursive: true });
  return refused;
}
