/** What `sqlsync verify --json` and `sqlsync repair --json` print: interfaces for programs. Null: not known. */
import type { ErrorBody } from '../errors.js';
import type { ComparedJson } from '../replication/compared-values.js';

/** A row as JSON: column name → value. A value too large to be sent is `{"$hash", "bytes"}`. */
export type RowReport = Readonly<Record<string, ComparedJson>>;

export interface DifferenceReport {
  readonly key: RowReport;
  /** Null: that node has no such row. */
  readonly here: RowReport | null;
  readonly there: RowReport | null;
}

export interface VerifiedTable {
  readonly name: string;
  /** Rows looked at on this node. */
  readonly rows: number;
  readonly equal: boolean | null;
  readonly differences: readonly DifferenceReport[];
}

/** How this node and one other compare. */
export interface VerifiedPeer {
  readonly name: string;
  readonly equal: boolean | null;
  /** Why it is not known whether they are equal; null: it is, or `error` says why nothing was compared. */
  readonly reason: string | null;
  readonly differencesTotal: number;
  /** More rows differ than are listed. */
  readonly truncated: boolean;
  readonly tables: readonly VerifiedTable[];
  /** Rows that were written again, so that the nodes agree: by `repair`, or to close a gap of capture. */
  readonly rowsWritten: number;
  /** A gap of capture on this node was closed. */
  readonly gapClosed: boolean;
  readonly error: ErrorBody | null;
}

export interface VerifyReport {
  readonly equal: boolean | null;
  readonly reason: string | null;
  readonly peers: readonly VerifiedPeer[];
}

/** Which side's rows are right. */
export type RepairSide = 'here' | 'there';

/** What `sqlsync repair` did about one peer; `differences` are those that are left, or of a dry run all there are. */
export interface RepairReport extends VerifiedPeer {
  readonly use: RepairSide;
  readonly dryRun: boolean;
}

/** `verify`: close this node's gap of capture, if it has one, on the way · `look`: write nothing · else: repair */
export type CompareMode = 'verify' | 'look' | 'use-here' | 'use-there';

export interface CompareRequest {
  readonly database: string;
  /** Empty: all. */
  readonly peers: readonly string[];
  /** Null: all. */
  readonly tables: readonly string[] | null;
  readonly mode: CompareMode;
}
