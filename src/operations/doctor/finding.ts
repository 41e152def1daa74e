/**
 * What `sqlsync doctor` can find. Every check has a code and a severity here, and a line in docs/doctor.md that says
 * what to do; what keeps something from being looked at at all comes as an error of the registry in errors.ts.
 *
 * `error`: changes are lost, or nothing goes on, unless somebody acts. `warning`: a trap that has not snapped yet.
 * `info`: worth knowing; and whatever this host does not tell, which is never taken for well.
 */
import type { ErrorBody, ErrorCode } from '../../errors.js';

export type Severity = 'error' | 'warning' | 'info';

export const CHECKS = {
  // Tables
  'table-refused': 'error',
  'key-null': 'error',
  'key-nullable': 'warning',
  'integer-keys': 'warning',
  'unique-values': 'info',
  'virtual-table-alone': 'warning',
  'other-replicator': 'warning',
  // Foreign keys
  'foreign-key-unindexed': 'warning',
  'foreign-key-broken': 'warning',
  'foreign-key-to-excluded': 'warning',
  'foreign-key-from-excluded': 'warning',
  // Triggers of the application
  'trigger-unproven': 'warning',
  'trigger-writes-excluded': 'warning',
  'trigger-fires': 'info',
  // Migrations
  'migration-tool': 'info',
  'migration-table-replicated': 'warning',
  'drop-column-indexed': 'info',
  // Capture
  'not-installed': 'info',
  'coverage-partial': 'error',
  'coverage-unknown': 'error',
  'table-lost': 'warning',
  'migration-under-way': 'info',
  'migration-cut-short': 'error',
  // The file
  'journal-rollback': 'info',
  'wal-not-checkpointed': 'warning',
  'wal-large': 'info',
  'reader-long': 'warning',
  'writer-long': 'warning',
  'page-size-small': 'info',
  'auto-vacuum-full': 'info',
  'free-pages-many': 'info',
  'integrity-unchecked': 'info',
  'integrity-failed': 'error',
  'foreign-key-violated': 'warning',
  // Users and permissions
  'not-writable': 'error',
  'owners-differ': 'warning',
  'writable-by-all': 'warning',
  'side-folder-foreign': 'error',
  'permissions-unknown': 'info',
  // The file system
  'file-system-network': 'error',
  'file-system-userspace': 'warning',
  'file-system-memory': 'warning',
  'file-system-overlay': 'info',
  'file-system-unknown': 'info',
  'disk-low': 'error',
  'disk-tight': 'warning',
  'disk-unknown': 'info',
  // Programs on the file
  'sqlite-wal-reset': 'warning',
  'sqlite-shell-wal-reset': 'info',
  'sqlite-build-unknown': 'info',
  'applications-unknown': 'info',
  'daemon-down': 'warning',
  'daemon-silent': 'error',
  'lock-held': 'info',
  // Clock
  'clock-unsynchronised': 'warning',
  'clock-unknown': 'info',
  'clock-behind-stamps': 'warning',
  'clock-skewed': 'warning',
  'clock-refused': 'error',
  'clock-skew-unknown': 'info',
  // Configuration
  'not-configured': 'info',
  'config-writable': 'warning',
  'secret-unknown': 'info',
  'key-file-exposed': 'error',
  'admin-open': 'warning',
  versions: 'info',
} as const satisfies Record<string, Severity>;

export type CheckCode = keyof typeof CHECKS;

/** One item of `doctor --json`. */
export interface Finding {
  readonly code: CheckCode | ErrorCode;
  readonly severity: Severity;
  /** Null: it concerns the host, or all databases. */
  readonly database: string | null;
  readonly message: string;
  /** What to type or do; null: there is nothing to do. */
  readonly what: string | null;
}

export type DatabaseFinding = Omit<Finding, 'database'>;

export function found(code: CheckCode, message: string, what: string | null): DatabaseFinding {
  return { code, severity: CHECKS[code], message, what };
}

/** What kept something from being looked at. */
export function failed({ code, message, hint }: ErrorBody): DatabaseFinding {
  return { code, severity: 'error', message, what: hint };
}

const NAMES_SHOWN_MAX = 20;

/** Names in a message: all, or the first of many and how many more there are. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(', ');
  return names.length <= NAMES_SHOWN_MAX ? shown : `${shown} and ${names.length - NAMES_SHOWN_MAX} more`;
}
