/** Row-level proof that nodes agree: through the daemon that serves the file, or by this process while none does. */
import { type Config, pickDatabase } from '../config.js';
import { ERROR_CODES, EXIT, SqlsyncError } from '../errors.js';
import { assertInitialised } from './assert-initialised.js';
import { findAnyDaemon } from './find-any-daemon.js';
import type { Machine } from './machine.js';
import type { FindDaemon, SyncProgress } from './running-daemon.js';
import type { CompareMode, CompareRequest, VerifiedPeer, VerifyReport } from './verify-report.js';

export interface VerifyRequest {
  /** Undefined: the only one of the configuration. */
  readonly database: string | undefined;
  /** Empty: all. */
  readonly peers: readonly string[];
  /** Undefined: all. */
  readonly table: string | undefined;
}

export interface VerifyDeps extends Pick<Machine, 'files'> {
  readonly findDaemon: FindDaemon;
  /** A comparison by this process, which takes the file's lock for it. */
  readonly compareOnce: (request: CompareRequest) => Promise<VerifiedPeer[]>;
  readonly onProgress: (progress: SyncProgress) => void;
  readonly signal: AbortSignal;
}

/** Throws `peer-unknown` for a name that nobody has, and when there is nobody to compare with. */
export async function verifyNodes(config: Config, request: VerifyRequest, deps: VerifyDeps): Promise<VerifyReport> {
  const peers = await compareNodes(config, request, 'verify', deps);
  return { ...verdictOf(peers), peers };
}

export async function compareNodes(
  config: Config,
  { database, peers, table }: VerifyRequest,
  mode: CompareMode,
  deps: VerifyDeps,
): Promise<VerifiedPeer[]> {
  const picked = pickDatabase(config, database);
  const asked: CompareRequest = { database: picked.name, peers, tables: table === undefined ? null : [table], mode };
  const daemon = await findAnyDaemon([picked], deps);
  if (daemon === null) {
    assertConfigured(config, peers);
    assertInitialised([picked], deps.files);
  }
  const compared =
    daemon === null ? await deps.compareOnce(asked) : await daemon.compare(asked, deps.onProgress, deps.signal);
  if (compared.length > 0) return compared;
  throw new SqlsyncError('peer-unknown', 'there is no peer to compare with', {
    hint: 'see `sqlsync peers`; one that only dials this node must be connected',
  });
}

function assertConfigured(config: Config, names: readonly string[]): void {
  const known = config.peers.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new SqlsyncError('peer-unknown', `${config.file} has no peer "${unknown}"`, {
    hint: `It has: ${known.join(', ') || 'none'}. A member that dials this node is reached only while the daemon runs.`,
  });
}

/** One answer for all: "no" if it is for one of them, "not known" if it is not known of one. */
function verdictOf(peers: readonly VerifiedPeer[]): Pick<VerifyReport, 'equal' | 'reason'> {
  if (peers.some(({ equal }) => equal === false)) return { equal: false, reason: null };
  const unknown = peers.find(({ equal }) => equal === null);
  if (unknown === undefined) return { equal: true, reason: null };
  return { equal: null, reason: `${unknown.name}: ${unknown.reason ?? unknown.error?.message ?? 'not compared'}` };
}

/** The exit code of a comparison, and what is to be said beside the report; null: nothing. */
export function verifyEnding({ equal, reason, peers }: VerifyReport): {
  readonly exitCode: number;
  readonly note: string | null;
} {
  const failed = peers.filter(({ error }) => error !== null);
  const [first] = failed;
  if (first?.error != null && peers.length === 1) {
    const { code, hint } = first.error;
    return { exitCode: ERROR_CODES[code], note: hint };
  }
  if (first !== undefined) {
    const names = failed.map(({ name }) => name).join(', ');
    return {
      exitCode: EXIT.unavailable,
      note: `${failed.length} of ${peers.length} peers were not compared: ${names}`,
    };
  }
  if (equal === null) return { exitCode: EXIT.tryAgain, note: `not known: ${reason}\n  try again` };
  return { exitCode: equal ? EXIT.done : EXIT.no, note: null };
}
