/**
 * Every error an operator can meet has a code from this registry, an exit code, and words on what to do.
 * Messages say what and where; the hint says what to type next.
 */

/** Exit codes of the command line (see docs/operations). */
export const EXIT = {
  done: 0,
  no: 1,
  usage: 2,
  data: 65,
  unavailable: 69,
  bug: 70,
  io: 74,
  tryAgain: 75,
  refused: 77,
  configuration: 78,
  interrupted: 130,
} as const;

/** Code → exit code. What each means and what to do about it stands in docs/errors.md. */
export const ERROR_CODES = {
  usage: EXIT.usage,
  'database-missing': EXIT.io,
  'database-replaced': EXIT.io,
  'database-not-sqlite': EXIT.data,
  'database-damaged': EXIT.data,
  'database-read-only': EXIT.refused,
  'database-permission': EXIT.refused,
  'database-locked': EXIT.tryAgain,
  'database-in-use': EXIT.tryAgain,
  'database-not-initialised': EXIT.data,
  'database-has-rows': EXIT.usage,
  'database-ambiguous': EXIT.usage,
  'disk-full': EXIT.io,
  'disk-io': EXIT.io,
  'backup-missing': EXIT.io,
  'backup-damaged': EXIT.data,
  'backup-key': EXIT.refused,
  'backup-store': EXIT.unavailable,
  'journal-remains': EXIT.refused,
  'already-running': EXIT.tryAgain,
  'table-refused': EXIT.data,
  'format-newer': EXIT.data,
  'format-older': EXIT.data,
  'private-schema-unavailable': EXIT.bug,
  'config-missing': EXIT.configuration,
  'config-invalid': EXIT.configuration,
  'secret-missing': EXIT.configuration,
  'secret-exposed': EXIT.refused,
  'listen-failed': EXIT.unavailable,
  'peer-unreachable': EXIT.unavailable,
  'peer-timeout': EXIT.tryAgain,
  'peer-unknown': EXIT.usage,
  'quarantine-unknown': EXIT.usage,
  'feed-full': EXIT.unavailable,
  'peer-wrong-secret': EXIT.refused,
  'peer-refused': EXIT.refused,
  'peer-certificate': EXIT.refused,
  'credential-unknown': EXIT.refused,
  'credential-revoked': EXIT.refused,
  'proof-outdated': EXIT.tryAgain,
  'invite-refused': EXIT.refused,
  'invite-used': EXIT.refused,
  'invite-expired': EXIT.refused,
  'rate-limited': EXIT.tryAgain,
  'peer-failed': EXIT.unavailable,
  'wire-version': EXIT.data,
  'dataset-mismatch': EXIT.data,
  'database-unknown': EXIT.data,
  'schema-differs': EXIT.data,
  'rules-differ': EXIT.data,
  'rules-changing': EXIT.tryAgain,
  'rules-not-agreed': EXIT.tryAgain,
  'encoding-differs': EXIT.data,
  'node-name-taken': EXIT.refused,
  'identity-unknown': EXIT.refused,
  'clock-ahead': EXIT.refused,
  stale: EXIT.data,
  'member-removed': EXIT.data,
  'member-unknown': EXIT.usage,
  'member-read-only': EXIT.refused,
  'catching-up': EXIT.tryAgain,
  migrating: EXIT.tryAgain,
  'batch-damaged': EXIT.data,
  'batch-oversized': EXIT.data,
  'batch-refused': EXIT.data,
  'batch-outdated': EXIT.tryAgain,
  'unsent-changes': EXIT.refused,
  'changes-aside': EXIT.refused,
  'daemon-down': EXIT.no,
  'coverage-partial': EXIT.no,
  'coverage-unknown': EXIT.no,
  'conflict-unknown': EXIT.usage,
  'row-changed': EXIT.no,
  'resolution-refused': EXIT.data,
  'conflicts-open': EXIT.no,
  'changes-quarantined': EXIT.no,
  'peer-lag': EXIT.no,
  'peer-paused': EXIT.no,
  'disk-low': EXIT.no,
  'history-large': EXIT.no,
  'read-only-writes': EXIT.no,
  'backup-old': EXIT.no,
  'verify-old': EXIT.no,
  'job-failed': EXIT.no,
  'restart-needed': EXIT.no,
  'nodes-differ': EXIT.no,
  'root-needed': EXIT.refused,
  'service-foreign': EXIT.refused,
  'systemctl-failed': EXIT.unavailable,
  'timed-out': EXIT.tryAgain,
  interrupted: EXIT.interrupted,
  bug: EXIT.bug,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | null;
}

/** What an operator can mend: a code from the registry, what happened where, and what to type next. */
export class SqlsyncError extends Error {
  override readonly name = 'SqlsyncError';
  readonly hint: string | null;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint ?? null;
  }

  /** The other way round. */
  static of({ code, message, hint }: ErrorBody): SqlsyncError {
    return new SqlsyncError(code, message, hint === null ? {} : { hint });
  }

  get exitCode(): number {
    return ERROR_CODES[this.code];
  }

  toBody(): ErrorBody {
    return { code: this.code, message: this.message, hint: this.hint };
  }
}

/** Is this one of the registry's codes? What a peer sends is checked with it. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}
