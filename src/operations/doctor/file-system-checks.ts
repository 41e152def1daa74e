/** Where the file lies: what locks and shared memory do not work on, what does not last, and how much room is left. */
import type { MountPoint } from '../../mount-points.js';
import { renderBytes } from '../../render-figures.js';
import { type DatabaseFinding, found } from './finding.js';

/** Locks, or memory that two machines share, do not hold there. */
const NETWORK =
  /^(nfs\d*|cifs|smb\d*|smbfs|9p|afs|ceph|glusterfs|lustre|gfs2?|ocfs2|beegfs|ncpfs|drvfs|vboxsf|prl_fs|vmhgfs|acfs)$/;
/** Whether locks hold there is up to a program. */
const USERSPACE = /^(fuse|fuseblk|virtiofs|osxfs|grpcfuse)(\..+)?$/;
const MEMORY = /^(tmpfs|ramfs)$/;

export interface FileSystemFacts {
  readonly path: string;
  /** Null: the system does not tell. */
  readonly mount: MountPoint | null;
  readonly freeBytes: number | null;
  readonly databaseBytes: number;
  /** `health.diskFreeBytesMin`; null: none is wanted. */
  readonly freeBytesMin: number | null;
}

export function checkFileSystem(facts: FileSystemFacts): DatabaseFinding[] {
  return [...inMount(facts), ...inSpace(facts)];
}

function inMount({ path, mount }: FileSystemFacts): DatabaseFinding[] {
  if (mount === null) return [found('file-system-unknown', `what file system ${path} is on is not known`, null)];
  const { type, folder, source } = mount;
  const where = `${path} is on ${type} (${source} at ${folder})`;
  if (NETWORK.test(type)) {
    const message = `${where}: SQLite's locks and its shared memory do not work over a network, and the file can be damaged`;
    return [
      found('file-system-network', message, 'move the file to a disk of this machine; sqlsync brings it to the others'),
    ];
  }
  if (USERSPACE.test(type)) {
    const message = `${where}: whether locks and shared memory hold there is up to the program behind it`;
    return [
      found('file-system-userspace', message, 'move the file to a disk of this machine unless you know that they do'),
    ];
  }
  if (MEMORY.test(type)) {
    return [found('file-system-memory', `${where}: it is gone with the next restart`, 'move the file to a disk')];
  }
  if (type === 'overlay') {
    const message = `${where}: a container's own layer, which is gone when the container is made anew`;
    return [found('file-system-overlay', message, 'put the file, with the folder beside it, on a volume')];
  }
  return [];
}

function inSpace({ path, freeBytes, databaseBytes, freeBytesMin }: FileSystemFacts): DatabaseFinding[] {
  if (freeBytes === null)
    return [found('disk-unknown', `how much is free on the file system of ${path} is not known`, null)];
  const free = `only ${renderBytes(freeBytes)} are free on the file system of ${path}`;
  if (freeBytesMin !== null && freeBytes < freeBytesMin) {
    return [
      found(
        'disk-low',
        `${free}, less than health.diskFreeBytesMin`,
        'free some: sqlsync prune shows what history can go',
      ),
    ];
  }
  if (freeBytes >= databaseBytes) return [];
  const message = `${free}, and the file has ${renderBytes(databaseBytes)}: no room for a backup, a snapshot or a VACUUM`;
  return [found('disk-tight', message, 'free some before you need it')];
}
