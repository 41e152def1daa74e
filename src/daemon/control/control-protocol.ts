/**
 * How commands speak to the daemon of a file: HTTP over a Unix socket that only its owner can open. An answer is lines of
 * JSON: any number of progress lines, and a last one with the result or the error.
 *
 *   status   what the daemon knows                                   → DaemonStatus
 *   sync     an exchange now, with some peers or all                 → SyncResult[]
 *   compare  rows with those of some peers or all, and what mode says → VerifiedPeer[]
 *   prune    remove history, or tell what could go                   → PrunedHistory[]
 *   pause    no exchange with a peer until resumed; survives restart → null
 *   resume                                                           → null
 *   quarantine  changes that wait there: tried again, or given up    → KeptDecision[]
 *   hold     leave a file alone: after a line of progress, until the asker goes away; whether anybody is there to hear
 *            the answer does not matter
 *   set-rules  the rules of one table, on every member               → ChangedRules
 *   include-tables  which tables replicate, on every member          → ChangedInclusion
 *   recover-rules  a change whose coordinator is gone is ended        → RecoveredRules
 *   backup   of a database, to a folder or a bucket                  → BackupReport
 *   stop     drain and exit                                          → null
 */
import { z } from 'zod';
import type { ErrorBody } from '../../errors.js';
import type { BackupProgress } from '../../operations/backup/backup-report.js';
import { KEY_COLLISIONS, ORPHAN_RULES, STRATEGIES } from '../../replication/rule-request.js';
import { errorBodySchema } from '../peer/error-answer.js';
import type { ExchangeProgress } from '../peer/exchange.js';

export const CONTROL_PATH = '/control';
export const CONTROL_ANSWER_TYPE = 'application/x-ndjson';

const names = z.array(z.string().max(128)).max(10_000);

/** Which database, and who asks by which command. */
const typed = { database: z.string().max(128), operator: z.string().max(256), command: z.string().max(4096) };

const ruleRequest = z.strictObject({
  table: z.string().max(1_000_000),
  strategy: z.enum(STRATEGIES).nullable(),
  nodeOrder: names.readonly().nullable(),
  keyCollision: z.enum(KEY_COLLISIONS).nullable(),
  orphan: z.enum(ORPHAN_RULES).nullable(),
});

export const controlRequestSchema = z.discriminatedUnion('verb', [
  z.strictObject({ verb: z.literal('status') }),
  /** Empty lists: all of them. */
  z.strictObject({ verb: z.literal('sync'), databases: names, peers: names }),
  z.strictObject({
    verb: z.literal('compare'),
    database: z.string().max(128),
    peers: names,
    tables: z.array(z.string().max(1_000_000)).max(100_000).nullable(),
    mode: z.enum(['verify', 'look', 'use-here', 'use-there']),
  }),
  /** keepLogMs null: as the configuration says. */
  z.strictObject({
    verb: z.literal('prune'),
    databases: names,
    keepLogMs: z.number().min(0).nullable(),
    dryRun: z.boolean(),
  }),
  z.strictObject({ verb: z.literal('pause'), peer: z.string().max(128) }),
  z.strictObject({ verb: z.literal('resume'), peer: z.string().max(128) }),
  z.strictObject({
    verb: z.literal('quarantine'),
    act: z.enum(['retry', 'discard']),
    database: z.string().max(128),
    ids: names,
    operator: z.string().max(256),
    command: z.string().max(4096),
  }),
  /** The real path of a database that is served. */
  z.strictObject({ verb: z.literal('hold'), path: z.string().max(4096) }),
  z.strictObject({ verb: z.literal('set-rules'), ...typed, rule: ruleRequest }),
  z.strictObject({
    verb: z.literal('include-tables'),
    ...typed,
    tables: z.strictObject({ glob: z.string().max(1_000_000), included: z.boolean() }),
  }),
  z.strictObject({ verb: z.literal('recover-rules'), ...typed }),
  z.strictObject({
    verb: z.literal('backup'),
    database: z.string().max(128),
    to: z.string().max(4096),
    keyFile: z.string().max(4096).nullable(),
    operator: z.string().max(256),
    command: z.string().max(4096),
  }),
  z.strictObject({ verb: z.literal('stop') }),
]);
export type ControlRequest = z.infer<typeof controlRequestSchema>;

/** How one exchange with one peer about one database went. */
export interface SyncResult {
  readonly database: string;
  readonly peer: string;
  readonly rowsSent: number;
  readonly rowsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Null: it is done. */
  readonly error: ErrorBody | null;
}

export interface SyncProgress extends ExchangeProgress {
  readonly database: string;
  readonly peer: string;
}

/** The daemon and the command may be of different versions: what is inside is checked where it is used. */
export const controlLineSchema = z.union([
  z.strictObject({ progress: z.unknown() }),
  z.strictObject({ error: errorBodySchema }),
  z.strictObject({ result: z.unknown() }),
]);
/** The file is left alone from here on. */
export interface HoldProgress {
  readonly held: true;
}

export type ControlProgress = SyncProgress | BackupProgress | HoldProgress;

export type ControlLine =
  | { readonly progress: ControlProgress }
  | { readonly result: unknown }
  | { readonly error: ErrorBody };
