/**
 * Which processes have certain files open, with what locks, and what is mapped into their memory: as Linux tells it in
 * /proc (proc_pid_fdinfo(5), proc_pid_maps(5)). Of other users' processes only root is told.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import type { FileHolder, FileLockRange, HolderSearch, OpenFile } from '../../operations/doctor/host.js';

/** Processes and descriptors beyond these are not looked at: a search has an end. */
const PROCESSES_MAX = 20_000;
const DESCRIPTORS_MAX = 10_000;
const END_OF_FILE = Number.MAX_SAFE_INTEGER;

export function findHolders(paths: readonly string[], procFolder = '/proc'): HolderSearch {
  const wanted = paths.flatMap((path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? [] : [{ path, dev: stat.dev, ino: stat.ino }];
  });
  const pids = entriesOf(procFolder)?.filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  if (pids === undefined || pids.length === 0) return { holders: [], hidden: null };
  let hidden = Math.max(0, pids.length - PROCESSES_MAX);
  const holders: FileHolder[] = [];
  for (const pid of pids.slice(0, PROCESSES_MAX)) {
    const folder = `${procFolder}/${pid}`;
    const descriptors = entriesOf(`${folder}/fd`);
    if (descriptors === null) {
      hidden += 1;
      continue;
    }
    const files = descriptors.slice(0, DESCRIPTORS_MAX).flatMap((descriptor) => openFile(folder, descriptor, wanted));
    if (files.length > 0) holders.push({ pid: Number(pid), ...readStatus(folder), files });
  }
  return { holders, hidden };
}

/** Empty for what has ended meanwhile; null for what this user may not look into. */
function entriesOf(folder: string): string[] | null {
  try {
    return readdirSync(folder);
  } catch (error) {
    return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '') ? null : [];
  }
}

function openFile(
  folder: string,
  descriptor: string,
  wanted: readonly { readonly path: string; readonly dev: number; readonly ino: number }[],
): OpenFile[] {
  try {
    const link = `${folder}/fd/${descriptor}`;
    // Most descriptors are pipes and sockets: a look at the link's text spares the stat.
    if (!readlinkSync(link).startsWith('/')) return [];
    const { dev, ino } = statSync(link);
    const file = wanted.find((one) => one.dev === dev && one.ino === ino);
    if (file === undefined) return [];
    return [{ path: file.path, locks: parseLocks(readFileSync(`${folder}/fdinfo/${descriptor}`, 'utf8')) }];
  } catch {
    return [];
  }
}

/** `lock:	1: POSIX  ADVISORY  READ 16832 fe:00:2147967 1073741826 1073742335`; the end may be `EOF`. */
export function parseLocks(fdinfo: string): FileLockRange[] {
  const lines = fdinfo.matchAll(
    /^lock:\s+\d+:\s+(?:POSIX|OFDLCK)\s+ADVISORY\s+(READ|WRITE)\s+\S+\s+\S+\s+(\d+)\s+(\d+|EOF)/gm,
  );
  return [...lines].map(([, kind, start, end]) => ({
    exclusive: kind === 'WRITE',
    start: Number(start),
    end: end === 'EOF' ? END_OF_FILE : Number(end),
  }));
}

/** Name, user and groups. The effective ids are those by which files are judged. */
function readStatus(folder: string): Pick<FileHolder, 'program' | 'uid' | 'gids'> {
  const text = readTextOr(`${folder}/status`, '');
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '';
  const numbers = (list: string) =>
    list
      .split(/\s+/)
      .filter((word) => word !== '')
      .map(Number);
  const [, uid = -1] = numbers(field('Uid'));
  const [, gid = -1] = numbers(field('Gid'));
  return { program: field('Name') || 'unknown', uid, gids: [gid, ...numbers(field('Groups'))] };
}

/** Paths of the files mapped into a process's memory as code, each once; null when it cannot be looked into. */
export function mappedFiles(pid: number, procFolder = '/proc'): string[] | null {
  const maps = readTextOr(`${procFolder}/${pid}/maps`, null);
  if (maps === null) return null;
  const paths = [...maps.matchAll(/^\S+ ..x. \S+ \S+ \d+\s+(\/.*)$/gm)].map(([, path]) => path ?? '');
  return [...new Set(paths)];
}

function readTextOr<Other>(path: string, otherwise: Other): string | Other {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}
