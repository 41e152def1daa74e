/** The peers with which an operator has paused the exchange, by name: kept beside a file, by its real path. */
export interface PausedPeers {
  read(realPath: string): string[];
  write(realPath: string, names: readonly string[]): void;
}
