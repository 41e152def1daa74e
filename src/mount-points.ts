/** Mounts as Linux tells them in /proc/self/mountinfo (proc_pid_mountinfo(5)). Pure. */
import { isAbsolute, relative } from 'node:path';

export interface MountPoint {
  readonly folder: string;
  /** `ro`, `nosuid` …: those of this mount, and those of its file system. */
  readonly options: readonly string[];
  /** `ext4`, `nfs4`, `fuse.sshfs` … */
  readonly type: string;
  /** The device, server or program behind it. */
  readonly source: string;
}

/** The mount that holds `path` (absolute, symlinks resolved); null where the text tells of none. */
export function mountPointOf(path: string, mountinfo: string): MountPoint | null {
  let found: MountPoint | null = null;
  for (const line of mountinfo.split('\n')) {
    const mount = parseLine(line);
    if (mount === null || (path !== mount.folder && !isWithin(path, mount.folder))) continue;
    // Of two mounts on one folder the later one is seen.
    if (found === null || mount.folder.length >= found.folder.length) found = mount;
  }
  return found;
}

/** Fields before ` - `: id, parent, device, root, mount point, options, tags; after it: type, source, options. */
function parseLine(line: string): MountPoint | null {
  const [before = '', after = ''] = line.split(' - ');
  const [, , , , folder, own] = before.split(' ');
  if (folder === undefined || own === undefined) return null;
  const [type = '', source = '', shared = ''] = after.split(' ');
  const options = [...new Set([...own.split(','), ...shared.split(',').filter((option) => option !== '')])];
  return { folder: unescaped(folder), options, type, source: unescaped(source) };
}

function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Does `path` lie somewhere in `folder`? */
export function isWithin(path: string, folder: string): boolean {
  const steps = relative(folder, path);
  return steps !== '' && !steps.startsWith('..') && !isAbsolute(steps);
}
