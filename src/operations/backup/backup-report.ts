/** What is said about a backup while it is made, and afterwards. */

export interface BackupReport {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** In all tables of the application. */
  readonly rows: number;
  readonly durationMs: number;
}

/** In bytes of the database. */
export interface BackupProgress {
  readonly phase: 'copy' | 'pack';
  readonly done: number;
  readonly total: number;
}

/** As it is put to the process that serves the file. */
export interface BackupRequest {
  readonly database: string;
  /** An absolute folder, or a bucket. */
  readonly to: string;
  /** Null: it is not encrypted. */
  readonly keyFile: string | null;
  /** Who asks, and how he typed it: for the record of operations. */
  readonly operator: string;
  readonly command: string;
}
