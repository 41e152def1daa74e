/** This machine as the doctor asks it: see operations/doctor/host.ts. */
import { execFile } from 'node:child_process';
import { readFileSync, statfsSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import Sqlite from 'better-sqlite3';
import { mountPointOf } from '../../mount-points.js';
import type { DoctorHost, ProcessUser } from '../../operations/doctor/host.js';
import { readLockHolder } from '../file/database-lock.js';
import { SideDirectory } from '../file/side-directory.js';
import { findHolders } from './process-table.js';
import { sqliteBuilds } from './sqlite-builds.js';

/** Programs that are asked get so long to answer. */
const ANSWER_MS_MAX = 3_000;
const PERMISSION_BITS = 0o7777;

export const thisHost: DoctorHost = {
  nodeVersion: process.versions.node,
  get sqliteVersion() {
    return ownSqliteVersion();
  },
  user: ownUser(),
  sideFolderOf: (realPath) => {
    const side = SideDirectory.at(realPath);
    const holder = orNull(() => readLockHolder(side));
    const onRecord = holder === null ? null : { pid: holder.pid, isDaemon: holder.controlSocket !== null };
    return { path: side.path, lockPath: side.lockPath, holder: onRecord };
  },
  userName: (uid) => userNames().get(uid) ?? `uid ${uid}`,
  entryOf: (path) =>
    orNull(() => {
      const { size, uid, gid, mode } = statSync(path);
      return { bytes: size, uid, gid, mode: mode & PERMISSION_BITS };
    }),
  mountOf: (path) => orNull(() => mountPointOf(path, readFileSync('/proc/self/mountinfo', 'utf8'))),
  freeBytes: (folder) =>
    orNull(() => {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    }),
  findHolders: (paths) => findHolders(paths),
  sqliteBuilds: (pid) => sqliteBuilds(pid),
  isClockSynchronised: async () => {
    const answer = await answerOf('timedatectl', ['show', '--property=NTPSynchronized', '--value']);
    return answer === 'yes' ? true : answer === 'no' ? false : null;
  },
  shellVersion: async () => /^(\d+\.\d+\.\d+)\b/.exec((await answerOf('sqlite3', ['--version'])) ?? '')?.[1] ?? null,
  pause: async (ms) => {
    await delay(ms);
  },
};

function ownUser(): ProcessUser | null {
  const { geteuid, getegid, getgroups } = process;
  if (geteuid === undefined || getegid === undefined || getgroups === undefined) return null;
  return { uid: geteuid(), gids: [getegid(), ...getgroups()] };
}

function ownSqliteVersion(): string {
  const db = new Sqlite(':memory:');
  try {
    return String(db.prepare('SELECT sqlite_version()').pluck().get());
  } finally {
    db.close();
  }
}

function userNames(): Map<number, string> {
  const lines = (orNull(() => readFileSync('/etc/passwd', 'utf8')) ?? '').split('\n').map((line) => line.split(':'));
  return new Map(lines.flatMap(([name, , uid]) => (name && uid ? [[Number(uid), name] as const] : [])));
}

/** Null: the program is not here, fails, or does not answer in time. */
async function answerOf(program: string, args: readonly string[]): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: ANSWER_MS_MAX });
    return stdout.trim();
  } catch {
    return null;
  }
}

function orNull<Result>(ask: () => Result): Result | null {
  try {
    return ask();
  } catch {
    return null;
  }
}
