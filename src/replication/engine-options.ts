/** What an engine is given, and how much it may do at once. */
import type { Database } from 'better-sqlite3';
import type { Clock, RandomSource } from './node-state.js';
import type { WireVersions } from './older-wire.js';

/** Bounds on the engine's single pieces of work. */
export interface EngineLimits {
  /** Log entries folded in one transaction. */
  readonly foldEntriesMax: number;
  /** A stage of no more rows and unpacked bytes than these is applied in one transaction. */
  readonly applyTransactionRowsMax: number;
  readonly applyTransactionBytesMax: number;
  /** How long a larger stage's parts hold the write lock. */
  readonly lockHoldMsMax: number;
  /** What is kept of rows that are applied while writes may have gone unrecorded, in all. */
  readonly gapRowsBytesMax: number;
  /** How far a peer's clock, or a stamp it has seen, may be ahead of this node's clock. */
  readonly clockAheadSecondsMax: number;
}

export interface EngineOptions {
  readonly writer: Database;
  readonly reader: Database;
  readonly install: Database;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly limits: EngineLimits;
  /** What it speaks with peers; what this version does if it is left out. */
  readonly wire?: WireVersions;
}
