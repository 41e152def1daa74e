/**
 * Which processes have a file open. SQLite's locks do not tell: in rollback-journal mode a connection at rest holds none.
 * Linux tells in /proc, of this user's processes in this container (of everybody's for root); so an empty answer is good
 * evidence, not proof.
 */
import { readdirSync, readlinkSync, statSync } from 'node:fs';

/** Process ids, this process's own left out; empty where the system cannot tell. */
export function processesHolding(path: string, procFolder = '/proc'): number[] {
  const file = statSync(path);
  return entriesOf(procFolder)
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      const folder = `${procFolder}/${pid}/fd`;
      return entriesOf(folder).some((descriptor) => leadsTo(`${folder}/${descriptor}`, file));
    })
    .map(Number);
}

/** Empty for a process that has ended meanwhile, or is another user's. */
function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function leadsTo(link: string, file: { readonly dev: number; readonly ino: number }): boolean {
  try {
    // Most descriptors are pipes and sockets: a look at the link's text spares the stat.
    if (!readlinkSync(link).startsWith('/')) return false;
    const { dev, ino } = statSync(link);
    return dev === file.dev && ino === file.ino;
  } catch {
    return false;
  }
}
