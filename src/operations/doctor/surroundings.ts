/**
 * What is around a database: the files beside it, who has them open, and the daemon. It is looked at before the file is
 * opened, which would make or remove some of it.
 */
import { dirname } from 'node:path';
import type { ServedFigures } from '../running-daemon.js';
import type { DoctorDeps } from './doctor-deps.js';
import { checkFileSystem } from './file-system-checks.js';
import type { DatabaseFinding } from './finding.js';
import type { DoctorHost, FileHolder, HolderSearch, SideFolder } from './host.js';
import { checkPermissions, type NamedEntry, type Writer } from './permission-checks.js';
import { checkPrograms } from './program-checks.js';

/** What SQLite makes beside a file while it is in use. */
const BESIDE = ['-wal', '-shm', '-journal'] as const;

export interface Surroundings {
  readonly path: string;
  readonly real: string;
  /** The database, if it is there, and then what stands beside it. */
  readonly entries: readonly NamedEntry[];
  readonly search: HolderSearch;
  /** Those of the search that have the database open, or what is beside it: the file of the lock does not count. */
  readonly holders: readonly FileHolder[];
  readonly side: SideFolder;
  /** The daemon that answers, and what it says of this database; null: none answers. */
  readonly daemon: { readonly pid: number; readonly served: ServedFigures | null } | null;
}

export async function lookAround(
  path: string,
  real: string,
  { host, findDaemon }: Pick<DoctorDeps, 'host' | 'findDaemon'>,
): Promise<Surroundings> {
  const paths = [real, ...BESIDE.map((ending) => real + ending)];
  const side = host.sideFolderOf(real);
  const entries = paths.flatMap((one) => named(one, host) ?? []);
  const search = host.findHolders([...paths, side.lockPath]);
  const holders = search.holders.filter(({ files }) => files.some((file) => file.path !== side.lockPath));
  const running = await findDaemon(real);
  const figures = await running?.status();
  const served = figures?.databases.find((database) => database.path === real) ?? null;
  return { path, real, entries, search, holders, side, daemon: running === null ? null : { pid: running.pid, served } };
}

function named(path: string, host: DoctorHost): NamedEntry | null {
  const entry = host.entryOf(path);
  return entry === null ? null : { path, ...entry };
}

export function inPermissions(
  { real, entries, side, holders, daemon }: Surroundings,
  host: DoctorHost,
): DatabaseFinding[] {
  const [database, ...beside] = entries;
  if (database === undefined || database.path !== real) return [];
  const writers = holders.map(({ pid, program, uid, gids }) => {
    const isDaemon = pid === daemon?.pid;
    return { who: `${isDaemon ? 'the daemon, ' : ''}process ${pid} (${program})`, uid, gids, isDaemon };
  });
  const isDaemon = (writer: Writer & { readonly isDaemon: boolean }) => writer.isDaemon;
  return checkPermissions({
    database,
    beside,
    folder: named(dirname(real), host),
    sideFolder: named(side.path, host),
    writers: writers.filter((writer) => !isDaemon(writer)),
    daemon: writers.find(isDaemon) ?? null,
    doctor: host.user,
    userName: (uid) => host.userName(uid),
  });
}

/** @param freeBytesMin `health.diskFreeBytesMin` */
export function inFileSystem(
  { real, entries }: Surroundings,
  freeBytesMin: number | null,
  host: DoctorHost,
): DatabaseFinding[] {
  return checkFileSystem({
    path: real,
    mount: host.mountOf(real),
    freeBytes: host.freeBytes(dirname(real)),
    databaseBytes: entries[0]?.bytes ?? 0,
    freeBytesMin,
  });
}

/** What reading the file has told: false where it could not be read. */
export interface FileKind {
  readonly isInstalled: boolean;
  readonly isWal: boolean;
}

export async function inPrograms(
  around: Surroundings,
  { isInstalled, isWal }: FileKind,
  host: DoctorHost,
): Promise<DatabaseFinding[]> {
  const { real, search, holders, side, daemon } = around;
  const lockHolders = search.holders.filter(({ files }) => files.some(({ path }) => path === side.lockPath));
  const ours = new Set([...lockHolders.map(({ pid }) => pid), ...(daemon === null ? [] : [daemon.pid])]);
  const onRecord = lockHolders.find(({ pid }) => pid === side.holder?.pid);
  return checkPrograms({
    path: real,
    applications: holders
      .filter(({ pid }) => !ours.has(pid))
      .map((holder) => ({ ...holder, builds: host.sqliteBuilds(holder.pid) })),
    hidden: search.hidden,
    isWal,
    shellVersion: await host.shellVersion(),
    daemon: {
      isInstalled,
      answeringPid: daemon?.pid ?? null,
      lockHolderPid: (onRecord ?? lockHolders[0])?.pid ?? null,
      isLockOfDaemon: onRecord !== undefined && side.holder?.isDaemon === true,
    },
  });
}
