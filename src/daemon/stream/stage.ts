/**
 * A stream that has arrived whole and waits to be applied: its frames as they came, in memory or in a file of the side
 * directory. They are unpacked again for each reading, so what a stage takes in memory is what it took on the wire, and
 * a daemon that finds a half-applied stage at its start reads the same frames.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { DecodedRows, Stage } from '../../replication/stage.js';
import { type FrameLimits, FrameParser, PAYLOAD, unpackFrameSync } from '../../replication/wire-frames.js';
import type { EndMarker, Hello, TableDefinition } from '../../replication/wire-messages.js';
import { RowsDecoder } from '../../replication/wire-rows.js';

const READ_BYTES = 1024 * 1024;

/** What a stream's own messages say of it. */
export interface StreamFacts {
  readonly sender: Hello;
  readonly end: EndMarker;
  readonly rows: number;
  /** Unpacked bytes of its rows. */
  readonly bytes: number;
}

/** Where a stage's frames are. */
export type FrameSource = { readonly frames: readonly Buffer[] } | { readonly path: string };

export class StreamStage implements Stage {
  readonly sender: Hello;
  readonly end: EndMarker;
  readonly rows: number;
  readonly bytes: number;

  constructor(
    readonly id: string,
    facts: StreamFacts,
    private readonly source: FrameSource,
    private readonly limits: FrameLimits,
  ) {
    this.sender = facts.sender;
    this.end = facts.end;
    this.rows = facts.rows;
    this.bytes = facts.bytes;
  }

  *batches(): Generator<DecodedRows, void, undefined> {
    const parser = new FrameParser(this.limits.frameBytesMax);
    const decoder = new RowsDecoder(this.sender.wireVersion);
    const tables: TableDefinition[] = [];
    for (const piece of piecesOf(this.source)) {
      for (const frame of parser.feed(piece)) {
        const payload = unpackFrameSync(frame, this.limits.frameUnpackedBytesMax);
        if (payload[0] === PAYLOAD.table) {
          const definition = readMessage(payload) as TableDefinition;
          decoder.addTable(definition);
          tables.push(definition);
        } else if (payload[0] === PAYLOAD.sessions) decoder.addSessions(readMessage(payload) as string[]);
        else if (payload[0] === PAYLOAD.rows) yield { tables, rows: decoder.decode(payload) };
      }
    }
  }
}

/** Validated when it arrived: stage-store.ts. */
function readMessage(payload: Buffer): unknown {
  return JSON.parse(payload.toString('utf8', 1));
}

/** The stage's bytes in pieces. */
export function* piecesOf(source: FrameSource): Generator<Buffer, void, undefined> {
  if ('frames' in source) {
    yield* source.frames;
    return;
  }
  const fd = openSync(source.path, 'r');
  try {
    for (;;) {
      // A fresh buffer each time: frames and the blobs in them are views of it.
      const piece = Buffer.allocUnsafe(READ_BYTES);
      const length = readSync(fd, piece, 0, READ_BYTES, null);
      if (length === 0) return;
      yield piece.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}
