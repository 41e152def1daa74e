/** What operations take from the machine they run on: files, time, chance, names. Tests and callers bring their own. */
import type { DatabaseFiles } from './database-files.js';
import type { JobHistories } from './job-record.js';
import type { PausedPeers } from './paused-peers.js';

export interface Machine {
  readonly files: DatabaseFiles;
  readonly paused: PausedPeers;
  readonly jobs: JobHistories;
  readonly random: { hex(bytes: number): string };
  readonly now: () => Date;
  readonly hostname: string;
  /** The user who types, as the system knows him: whoever became root by sudo is told by his own name. */
  readonly operator: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}
