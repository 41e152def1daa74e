/**
 * Users and permissions: SQLite needs to write the file, its log and its shared memory, and to make and remove them in
 * the folder. One program that runs as somebody else leaves a log behind that the others cannot write. Judged by
 * permission bits; access control lists are not seen.
 */
import { shellWord } from '../../shell-word.js';
import { type DatabaseFinding, found, listed } from './finding.js';
import type { FileEntry, ProcessUser } from './host.js';

const ROOT = 0;
const WRITE = 0o2;
const STICKY = 0o1000;

export interface NamedEntry extends FileEntry {
  readonly path: string;
}

/** Somebody who writes the file, or is to. */
export interface Writer extends ProcessUser {
  /** In words, as a message begins: `the daemon (process 12)`. */
  readonly who: string;
}

export interface PermissionFacts {
  readonly database: NamedEntry;
  /** Its -wal, -shm and -journal, as far as they are there. */
  readonly beside: readonly NamedEntry[];
  readonly folder: NamedEntry | null;
  /** `<database>.sqlsync`; null: there is none yet. */
  readonly sideFolder: NamedEntry | null;
  /** Programs that have the file open. */
  readonly writers: readonly Writer[];
  /** The daemon that runs; null: none. */
  readonly daemon: Writer | null;
  readonly doctor: ProcessUser | null;
  readonly userName: (uid: number) => string;
}

export function checkPermissions(facts: PermissionFacts): DatabaseFinding[] {
  return [...inWriting(facts), ...inOwners(facts), ...inOpenness(facts), ...inSideFolder(facts), ...inKnowledge(facts)];
}

function mayWrite({ uid, gids }: ProcessUser, entry: FileEntry): boolean {
  if (uid === ROOT) return true;
  if (uid === entry.uid) return (entry.mode & (WRITE << 6)) !== 0;
  return gids.includes(entry.gid) ? (entry.mode & (WRITE << 3)) !== 0 : (entry.mode & WRITE) !== 0;
}

function inWriting(facts: PermissionFacts): DatabaseFinding[] {
  const { database, beside, folder, writers, daemon, userName } = facts;
  const owner: Writer = { who: 'the owner of the file', uid: database.uid, gids: [database.gid] };
  const entries = [database, ...beside, ...(folder === null ? [] : [folder])];
  return [owner, ...writers, ...(daemon === null ? [] : [daemon])].flatMap((writer) => {
    const barred = entries.filter((entry) => !mayWrite(writer, entry));
    if (barred.length === 0) return [];
    const paths = barred.map(({ path }) => path);
    const message = `${writer.who}, ${userName(writer.uid)}, cannot write ${listed(paths)}: its writes fail with "attempt to write a readonly database"`;
    return [found('not-writable', message, mending(facts, barred))];
  });
}

/** What SQLite made beside the file gets the file's owner and mode; anything else is for the operator to judge. */
function mending({ database, beside }: PermissionFacts, barred: readonly NamedEntry[]): string {
  const isBeside = barred.every((entry) => beside.includes(entry));
  const paths = barred.map(({ path }) => shellWord(path)).join(' ');
  if (!isBeside)
    return `run all programs on it as one user, or give them a common group with write permission: ls -l ${paths}`;
  const like = `--reference=${shellWord(database.path)}`;
  return `chown ${like} ${paths} && chmod ${like} ${paths}; then run all programs on it as one user`;
}

function inOwners({ database, beside, userName }: PermissionFacts): DatabaseFinding[] {
  const foreign = beside.filter(({ uid }) => uid !== database.uid);
  if (foreign.length === 0) return [];
  const owners = foreign.map(({ path, uid }) => `${path} ${userName(uid)}`);
  const message = `the file belongs to ${userName(database.uid)}, but ${listed(owners)}: programs run as different users`;
  return [found('owners-differ', message, 'run all programs on the file, sqlsync too, as one user')];
}

function inOpenness({ database, folder }: PermissionFacts): DatabaseFinding[] {
  const isOpenFolder = folder !== null && (folder.mode & WRITE) !== 0 && (folder.mode & STICKY) === 0;
  const open = [...((database.mode & WRITE) !== 0 ? [database] : []), ...(isOpenFolder ? [folder] : [])];
  if (open.length === 0) return [];
  const paths = open.map(({ path }) => path);
  return [
    found(
      'writable-by-all',
      `every user of this machine can write ${listed(paths)}`,
      `chmod o-w ${paths.map(shellWord).join(' ')}`,
    ),
  ];
}

/** It is closed to all but its owner, so it must be that of whoever runs the daemon. */
function inSideFolder({ database, sideFolder, daemon, userName }: PermissionFacts): DatabaseFinding[] {
  if (sideFolder === null) return [];
  const uid = daemon?.uid ?? database.uid;
  if (uid === ROOT || sideFolder.uid === uid) return [];
  const message = `${sideFolder.path} belongs to ${userName(sideFolder.uid)}: sqlsync run as ${userName(uid)} cannot take the file's lock in it`;
  return [found('side-folder-foreign', message, `chown -R ${uid} ${shellWord(sideFolder.path)}`)];
}

function inKnowledge({ database, doctor, writers, daemon, userName }: PermissionFacts): DatabaseFinding[] {
  if (doctor === null) return [found('permissions-unknown', 'this system has no users that could be compared', null)];
  const others = [...writers, ...(daemon === null ? [] : [daemon])];
  if (doctor.uid === database.uid || others.some(({ uid }) => uid === doctor.uid)) return [];
  const message = `this was looked at as ${userName(doctor.uid)}, the file belongs to ${userName(database.uid)}: what that user meets is judged by permission bits alone`;
  const command = `sudo -u '#${database.uid}' sqlsync doctor ${shellWord(database.path)}`;
  return [found('permissions-unknown', message, `run it as that user: ${command}`)];
}
