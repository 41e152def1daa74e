/** What `sqlsync migrate --json` prints: an interface for programs. */
import type { TableFate } from '../replication/application-migration.js';

export interface MigrationReport {
  readonly database: string;
  readonly path: string;
  /** The daemon that left the file alone; null: none ran. */
  readonly daemon: number | null;
  /** Of the command: null when it was killed by a signal, and when it was not run. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly tables: readonly TableReport[];
  /** Tables that cannot replicate as they are now, and why. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
  /** Has what nodes must have alike changed? */
  readonly schemaChanged: boolean;
  /** Members that have another schema than this node has now; `known` false: it was not in touch to tell. */
  readonly behind: readonly { readonly node: string; readonly known: boolean }[];
}

export interface TableReport {
  readonly name: string;
  readonly fate: TableFate;
  /** Rows that were entered as this node's own writes. */
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
}
