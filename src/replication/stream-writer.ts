/**
 * Writes a stream: the counterpart of StreamReader. Each method returns frames, to be sent in the order of the calls.
 * Compression of one frame runs while the next is filled, so a call need not wait for the one before.
 * Writing out of order is a bug, as is a row whose table has not been defined.
 */
import { SqlsyncError } from '../errors.js';
import { type StreamState, stepAfter } from './stream-order.js';
import { MESSAGE_BYTES_MAX } from './stream-reader.js';
import { encodeFrame, type FrameLimits, PAYLOAD, type PayloadKind, StreamHasher } from './wire-frames.js';
import type { EndMarker, Hello, TableDefinition } from './wire-messages.js';
import { type OutgoingRow, RowsEncoder } from './wire-rows.js';

/** Rows are sent once they fill so much: what a frame costs is little against it, and it passes quickly. */
const ROWS_BYTES = 1024 * 1024;

export interface StreamWriterOptions {
  /** What the receiver takes. */
  readonly limits: FrameLimits;
  readonly carries?: 'changes' | 'snapshot';
  /** Unpacked bytes of rows in a frame, about. */
  readonly rowsBytes?: number;
  /** gzip's, 0 to 9. */
  readonly level?: number;
}

export class StreamWriter {
  private readonly encoder = new RowsEncoder();
  private readonly hasher = new StreamHasher();
  private state: StreamState;
  private tableCount = 0;
  private rowCount = 0;
  /** The last frame under way: frames are hashed in their order, however long each takes to compress. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: StreamWriterOptions) {
    this.state = options.carries === 'snapshot' ? 'snapshot-start' : 'changes-start';
  }

  /** Are there rows enough for a frame? Then flush(). */
  get isFull(): boolean {
    return this.encoder.isFull || this.encoder.size >= (this.options.rowsBytes ?? ROWS_BYTES);
  }

  hello(hello: Hello): Promise<Buffer> {
    return this.message('hello', hello);
  }

  /** Defines a table. Its rows give its place among the definitions. */
  table(definition: TableDefinition): Promise<Buffer> {
    this.tableCount++;
    return this.message('table', definition);
  }

  /** Adds a row to those that the next flush() packs. See RowsEncoder.add. */
  row(tableIndex: number, definitionColumnIds: readonly number[], row: OutgoingRow): void {
    if (tableIndex >= this.tableCount) throw new SqlsyncError('bug', `a row precedes its table ${tableIndex}`);
    this.encoder.add(tableIndex, definitionColumnIds, row);
    this.rowCount++;
  }

  /** Frames with the rows added since the last flush. */
  async flush(): Promise<Buffer[]> {
    const payloads = this.encoder.take();
    return Promise.all(
      payloads.map((payload) => this.frame(payload[0] === PAYLOAD.rows ? 'rows' : 'sessions', payload)),
    );
  }

  header(header: unknown): Promise<Buffer> {
    return this.message('header', header);
  }

  data(bytes: Buffer): Promise<Buffer> {
    return this.frame('data', Buffer.concat([Buffer.of(PAYLOAD.data), bytes]));
  }

  /** The last frames: rows that wait, and the end frame, which counts and hashes all before it. */
  async end(marker: Omit<EndMarker, 'rows'>): Promise<Buffer[]> {
    const frames = await this.flush();
    await this.last;
    const end = await this.message('end', { ...marker, rows: this.rowCount, sha256: this.hasher.digest() });
    return [...frames, end];
  }

  private async message(kind: PayloadKind, message: unknown): Promise<Buffer> {
    const payload = Buffer.concat([Buffer.of(PAYLOAD[kind]), Buffer.from(JSON.stringify(message))]);
    if (payload.length > MESSAGE_BYTES_MAX)
      throw new SqlsyncError('batch-oversized', `${kind} takes ${payload.length} bytes, of ${MESSAGE_BYTES_MAX}`);
    return this.frame(kind, payload);
  }

  private frame(kind: PayloadKind, payload: Buffer): Promise<Buffer> {
    const frame = this.pack(kind, payload, this.last);
    this.last = frame;
    return frame;
  }

  private async pack(kind: PayloadKind, payload: Buffer, before: Promise<unknown>): Promise<Buffer> {
    const step = stepAfter(this.state, kind);
    if ('no' in step) throw new SqlsyncError('bug', `cannot write ${kind}: ${step.no}`);
    this.state = step.to;
    const { limits, level } = this.options;
    if (payload.length > limits.frameUnpackedBytesMax)
      throw new SqlsyncError(
        'batch-oversized',
        `${kind} takes ${payload.length} bytes, more than a frame may: ${limits.frameUnpackedBytesMax}`,
      );
    const frame = await encodeFrame(payload, level === undefined ? {} : { level });
    await before;
    if (frame.length > limits.frameBytesMax)
      throw new SqlsyncError(
        'batch-oversized',
        `${kind} takes ${frame.length} bytes packed, more than a frame may: ${limits.frameBytesMax}`,
      );
    if (kind !== 'end') this.hasher.add(frame);
    return frame;
  }
}
