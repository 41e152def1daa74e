/**
 * Where streams become stages. A stream is taken in frame by frame, every one checked as it comes, and until its end
 * frame has come nothing is made of it. Small ones stay in memory; what is larger, or will be applied in parts, goes to
 * a file that is on the disk for good before it is applied, so that a daemon that dies half-way can go on from it.
 */
import { closeSync, fdatasync, openSync, rmSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Limits } from '../../config-limits.js';
import { SqlsyncError } from '../../errors.js';
import { StreamReader } from '../../replication/stream-reader.js';
import { FrameParser, unpackFrameSync } from '../../replication/wire-frames.js';
import type { Hello } from '../../replication/wire-messages.js';
import { databaseError, withDatabaseErrors } from '../file/database-error.js';
import type { SideDirectory } from '../file/side-directory.js';
import { type FrameSource, piecesOf, StreamStage } from './stage.js';
import { TrickleGuard } from './trickle-guard.js';

export type StageLimits = Pick<
  Limits,
  | 'frameBytesMax'
  | 'frameUnpackedBytesMax'
  | 'streamBytesMax'
  | 'stageMemoryBytesMax'
  | 'applyTransactionRowsMax'
  | 'applyTransactionBytesMax'
  | 'idleTimeoutMs'
>;

const syncData = promisify(fdatasync);

export class StageStore {
  constructor(
    private readonly side: Pick<SideDirectory, 'stagePath'>,
    private readonly limits: StageLimits,
    private readonly random: { hex(bytes: number): string },
  ) {}

  /** Begins a stage. `onTrouble` hears why it cannot be written down, which is thrown too. */
  receive(onTrouble: (error: unknown) => void = () => {}): StreamReceiver {
    const id = this.random.hex(8);
    return new StreamReceiver(id, this.side.stagePath(id), this.limits, onTrouble);
  }

  /** The stage that a daemon left half applied. Throws `batch-damaged` or `disk-io` when it cannot be read any more. */
  resume(id: string): StreamStage {
    const path = this.side.stagePath(id);
    const reading = new StreamReading(this.limits);
    withDatabaseErrors(path, () => {
      for (const piece of piecesOf({ path })) for (const _ of reading.feed(piece));
    });
    return reading.stage(id, { path });
  }

  /** Removes a stage that has been applied, or never will be. */
  discard(stage: { readonly id: string }): void {
    rmSync(this.side.stagePath(stage.id), { force: true });
  }
}

/** One stream on its way in. Feed it pieces of any size until it `isWhole`, then `finish` it; or `discard` it. */
export class StreamReceiver {
  private readonly reading: StreamReading;
  private readonly trickle: TrickleGuard;
  private readonly frames: Buffer[] = [];
  private frameBytes = 0;
  private fd: number | null = null;
  /** Bytes that have come. */
  received = 0;

  constructor(
    private readonly id: string,
    private readonly path: string,
    private readonly limits: StageLimits,
    private readonly onTrouble: (error: unknown) => void,
  ) {
    this.reading = new StreamReading(limits);
    this.trickle = new TrickleGuard(limits.idleTimeoutMs);
  }

  get isWhole(): boolean {
    return this.reading.isWhole;
  }

  /** Who sends; null until the first frame has come. */
  get sender(): Hello | null {
    return this.reading.sender;
  }

  /** Rows that have come. */
  get rows(): number {
    return this.reading.rows;
  }

  /**
   * Takes a piece. Throws the registry's batch-damaged, batch-oversized, wire-version, disk-full or disk-io, and
   * peer-timeout when too little comes.
   */
  push(piece: Buffer): void {
    this.received += piece.length;
    if (this.received > this.limits.streamBytesMax) {
      throw new SqlsyncError('batch-oversized', `the stream is longer than ${this.limits.streamBytesMax} bytes`, {
        hint: 'raise limits.streamBytesMax if that much is meant to come',
      });
    }
    const framesBefore = this.reading.frames;
    for (const bytes of this.reading.feed(piece)) this.keep(bytes);
    this.trickle.note(piece.length, this.reading.frames > framesBefore);
  }

  /** The stage, once the stream has ended as it should; `batch-damaged` if it has not. */
  async finish(): Promise<StreamStage> {
    const { limits, reading } = this;
    const inParts = reading.rows > limits.applyTransactionRowsMax || reading.bytes > limits.applyTransactionBytesMax;
    if (inParts) this.spool();
    if (this.fd === null) return reading.stage(this.id, { frames: this.frames });
    const stage = reading.stage(this.id, { path: this.path });
    try {
      await syncData(this.fd);
    } catch (cause) {
      const error = databaseError(cause, this.path);
      this.onTrouble(error);
      throw error;
    }
    this.closeFile();
    return stage;
  }

  /** Gives the stream up: nothing of it stays. */
  discard(): void {
    this.closeFile();
    this.frames.length = 0;
    rmSync(this.path, { force: true });
  }

  private keep(frame: Buffer): void {
    this.frameBytes += frame.length;
    if (this.fd === null) this.frames.push(frame);
    else this.write(frame);
    if (this.frameBytes > this.limits.stageMemoryBytesMax) this.spool();
  }

  private spool(): void {
    if (this.fd !== null) return;
    this.fd = this.onDisk(() => openSync(this.path, 'wx', 0o600));
    for (const frame of this.frames.splice(0)) this.write(frame);
  }

  private write(frame: Buffer): void {
    const { fd } = this;
    if (fd === null) return;
    this.onDisk(() => {
      for (let written = 0; written < frame.length; ) written += writeSync(fd, frame, written);
    });
  }

  private onDisk<Result>(work: () => Result): Result {
    try {
      return withDatabaseErrors(this.path, work);
    } catch (error) {
      this.onTrouble(error);
      throw error;
    }
  }

  private closeFile(): void {
    if (this.fd !== null) closeSync(this.fd);
    this.fd = null;
  }
}

/** Reads a stream's frames, checking everything, and keeps what the stage needs to know. */
class StreamReading {
  private readonly parser: FrameParser;
  private readonly reader: StreamReader;
  /** Who sends; null until the first frame has come. */
  sender: Hello | null = null;
  rows = 0;
  bytes = 0;
  frames = 0;
  isWhole = false;

  constructor(private readonly limits: StageLimits) {
    this.parser = new FrameParser(limits.frameBytesMax);
    this.reader = new StreamReader({ rows: 'pass' });
  }

  /** Yields the bytes of each frame once it has been found good. */
  *feed(piece: Buffer): Generator<Buffer, void, undefined> {
    for (const frame of this.parser.feed(piece)) {
      const event = this.reader.accept(frame, unpackFrameSync(frame, this.limits.frameUnpackedBytesMax));
      if (event.kind === 'hello') this.sender = event.hello;
      else if (event.kind === 'rows-payload') {
        this.rows += event.count;
        this.bytes += event.payload.length;
      } else if (event.kind === 'end') this.isWhole = true;
      this.frames += 1;
      yield frame.bytes;
    }
  }

  stage(id: string, source: FrameSource): StreamStage {
    this.parser.finish();
    const end = this.reader.finish();
    if (this.sender === null) throw new SqlsyncError('batch-damaged', 'the stream does not say who sent it');
    return new StreamStage(id, { sender: this.sender, end, rows: this.rows, bytes: this.bytes }, source, this.limits);
  }
}
