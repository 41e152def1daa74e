/**
 * Every bound of a node, its unit in its name. Defaults suit a small server; what happens at a bound is documented
 * where it is kept.
 */
import { z } from 'zod';
import { byteSize, wholeNumber } from './config-values.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

const HOUR_MS = 3_600_000;

export const limitsSchema = z.strictObject({
  lockHoldMsMax: wholeNumber(1, 60_000)
    .default(100)
    .describe("Longest time that sqlsync holds a database's write lock in one go, catch-ups aside."),
  lockGapMs: wholeNumber(0, 60_000)
    .default(25)
    .describe('Pause between two such goes, in which writers of the application get their turn.'),
  lockWaitMsMax: wholeNumber(0, HOUR_MS)
    .default(30_000)
    .describe('Longest wait for a lock that the application holds; then it is tried again later.'),
  applyTransactionRowsMax: wholeNumber(1, 10_000_000)
    .default(20_000)
    .describe('Rows up to which a stream is applied in one transaction; a larger one is a catch-up.'),
  applyTransactionBytesMax: byteSize(KIB, 4 * GIB)
    .default(8 * MIB)
    .describe('Bytes up to which a stream is applied in one transaction.'),
  gapRowsBytesMax: byteSize(0, 4 * GIB)
    .default(64 * MIB)
    .describe('Rows kept aside while writes may have gone unrecorded; what has no room goes into records at once.'),
  frameBytesMax: byteSize(KIB, 2 * GIB)
    .default(256 * MIB)
    .describe('Largest compressed frame that is taken from a peer.'),
  frameUnpackedBytesMax: byteSize(KIB, 2 * GIB)
    .default(256 * MIB)
    .describe('Largest frame after decompression, so the largest row too.'),
  stageMemoryBytesMax: byteSize(KIB, 4 * GIB)
    .default(8 * MIB)
    .describe('Part of a received stream that is kept in memory; the rest waits in a file.'),
  streamBytesMax: byteSize(KIB, 1024 * GIB)
    .default(16 * GIB)
    .describe('Largest stream that is taken from a peer, and largest snapshot.'),
  foldEntriesMax: wholeNumber(1, 10_000_000).default(20_000).describe('Log entries that one transaction folds.'),
  connectTimeoutMs: wholeNumber(1, HOUR_MS).default(10_000).describe('Longest wait for a connection to a peer.'),
  idleTimeoutMs: wholeNumber(1, HOUR_MS)
    .default(30_000)
    .describe('Longest silence on a connection before it is given up.'),
  heartbeatMs: wholeNumber(1, HOUR_MS).default(10_000).describe('Time between two signs of life on a live connection.'),
  helloMs: wholeNumber(1, 24 * HOUR_MS)
    .default(600_000)
    .describe('How often both ends of a live connection say what they have, though nothing has changed.'),
  retryMsMin: wholeNumber(1, HOUR_MS)
    .default(250)
    .describe('First pause after a peer could not be reached; it doubles.'),
  retryMsMax: wholeNumber(1, 24 * HOUR_MS)
    .default(30_000)
    .describe('Longest pause between two attempts.'),
  verifyWaitMsMax: wholeNumber(0, HOUR_MS)
    .default(30_000)
    .describe('How long a comparison of nodes waits for writes on their way; then it says that it does not know.'),
  pollMs: wholeNumber(10, HOUR_MS)
    .default(1_000)
    .describe('How often a database is looked at for changes that no file event has told of.'),
  drainSecondsMax: wholeNumber(0, 3_600).default(10).describe('Time that a stopping daemon gives to work in progress.'),
  clockAheadSecondsMax: wholeNumber(1, 31_536_000)
    .default(300)
    .describe("How far a peer's clock may run ahead before its changes are refused."),
  requestBytesMax: byteSize(KIB, GIB).default(MIB).describe('Largest request body apart from streams of changes.'),
  connectionsMax: wholeNumber(1, 100_000).default(256).describe('Connections that a node serves at once.'),
  feedSubscribersMax: wholeNumber(0, 100_000).default(64).describe('Subscribers of the feed of changes at once.'),
});

export type Limits = Readonly<z.output<typeof limitsSchema>>;

/** Pairs of which the first must not exceed the second. */
export const LIMIT_ORDER: readonly (readonly [keyof Limits, keyof Limits])[] = [
  ['retryMsMin', 'retryMsMax'],
  ['heartbeatMs', 'idleTimeoutMs'],
  ['frameBytesMax', 'streamBytesMax'],
];
