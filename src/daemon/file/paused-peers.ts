/** The peers with which an operator has paused the exchange, by name: kept beside the file, so that it outlasts daemons. */
import { readJsonFile, type SideDirectory, writeJsonFile } from './side-directory.js';

type PausedFile = Pick<SideDirectory, 'pausedPath'>;

export function pausedPeers(side: PausedFile): string[] {
  const names = readJsonFile(side.pausedPath);
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
}

export function writePausedPeers(side: PausedFile, names: readonly string[]): void {
  writeJsonFile(side.pausedPath, names);
}
