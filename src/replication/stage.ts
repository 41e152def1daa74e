/**
 * A stage: a stream that has come whole and changed nothing yet. The shell keeps it, in memory or in a file; the engine
 * reads it, as often as it needs to.
 */
import type { EndMarker, Hello, TableDefinition } from './wire-messages.js';
import type { IncomingRow } from './wire-rows.js';

/** Some of a stage's rows, in the stream's order. */
export interface DecodedRows {
  /** The stream's table definitions so far: rows refer to their places. */
  readonly tables: readonly TableDefinition[];
  readonly rows: Iterable<IncomingRow>;
}

export interface Stage {
  /** Names the stage in this node's files, so that a catch-up that was cut short finds it again. */
  readonly id: string;
  readonly sender: Hello;
  readonly end: EndMarker;
  readonly rows: number;
  /** Unpacked bytes of its rows. */
  readonly bytes: number;
  /** All rows, from the first, each time it is called. */
  batches(): Iterable<DecodedRows>;
}
