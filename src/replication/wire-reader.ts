/**
 * Reads values and integers that a peer has sent: the counterpart of WireWriter.
 *
 * It throws SqlsyncError 'batch-damaged' and nothing else, and allocates no more than the bytes at hand account for. What
 * it accepts, WireWriter would write again byte for byte.
 */
import { constants, isUtf8 } from 'node:buffer';
import { SqlsyncError } from '../errors.js';
import { RawText, type SqlValue } from './row-version.js';
import { SHORT_TEXT_BYTES, SMALL_INTEGERS, TAG, VARINT_BYTES_MAX } from './wire-writer.js';

const SMALL_BIGINTS = Array.from({ length: SMALL_INTEGERS }, (_, n) => BigInt(n));

/** Reads what WireWriter wrote. Blobs are views of `bytes`, not copies. */
export class WireReader {
  /** The place of the next byte. */
  at = 0;

  /** `what` names the bytes in messages: "frame 3 (rows)". */
  constructor(
    private readonly bytes: Buffer,
    readonly what: string,
  ) {}

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  /** The error for something wrong at the byte `at`. */
  damaged(problem: string, at = this.at): SqlsyncError {
    return new SqlsyncError('batch-damaged', `${this.what}, byte ${at}: ${problem}`);
  }

  byte(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw this.damaged('more was expected');
    this.at++;
    return value;
  }

  /** An unsigned integer up to Number.MAX_SAFE_INTEGER. */
  varint(): number {
    const first = this.byte();
    return first < 128 ? first : this.varintFrom(first & 127, 128);
  }

  /** A signed integer between ±Number.MAX_SAFE_INTEGER. */
  zigzag(): number {
    const first = this.byte();
    const magnitude = first < 128 ? first >> 1 : this.varintFrom((first >> 1) & 63, 64);
    return (first & 1) === 0 ? magnitude : -magnitude - 1;
  }

  /** A value with its tag. */
  value(): SqlValue {
    const tag = this.byte();
    if (tag >= TAG.shortText) return this.text(tag - TAG.shortText);
    if (tag >= TAG.smallInteger) return SMALL_BIGINTS[tag - TAG.smallInteger] as bigint;
    switch (tag) {
      case TAG.null:
        return null;
      case TAG.integer:
        return this.integer();
      case TAG.real:
        return this.real();
      case TAG.text:
        return this.longText();
      case TAG.blob:
        return this.content(this.varint());
      case TAG.rawText:
        return new RawText(this.content(this.varint()));
      default:
        throw this.damaged(`no value begins with ${tag}`, this.at - 1);
    }
  }

  /** The rest of a varint of which `low`, all below `scale`, has been read. */
  private varintFrom(low: number, scale: number): number {
    const start = this.at - 1;
    let value = low;
    for (let weight = scale; ; weight *= 128) {
      const byte = this.byte();
      // A group that weighs 2^53 or more makes the sum unsafe, unless it is 0: then the varint is too long.
      value += (byte & 127) * weight;
      if (value > Number.MAX_SAFE_INTEGER) throw this.damaged('the integer is too large', start);
      if (byte === 0) throw this.damaged('the integer is longer than it need be', start);
      if (byte < 128) return value;
      if (this.at - start >= VARINT_BYTES_MAX) throw this.damaged('the integer is too long', start);
    }
  }

  private integer(): bigint {
    const start = this.at;
    let end = start;
    while (end < this.bytes.length && (this.bytes[end] as number) >= 128) end++;
    // Up to 7 bytes hold 49 bits, which a number does exactly.
    const value = end - start < 7 ? BigInt(this.zigzag()) : this.zigzag64();
    if (value >= 0n && value < SMALL_INTEGERS) throw this.damaged('the integer is longer than it need be', start);
    return value;
  }

  private zigzag64(): bigint {
    const start = this.at;
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) {
        if (byte === 0) throw this.damaged('the integer is longer than it need be', start);
        break;
      }
      if (this.at - start >= VARINT_BYTES_MAX) throw this.damaged('the integer is too long', start);
    }
    if (value >= 2n ** 64n) throw this.damaged('the integer does not fit into 64 bits', start);
    return (value & 1n) === 0n ? value >> 1n : -(value >> 1n) - 1n;
  }

  private real(): number {
    const start = this.skip(8);
    const value = this.bytes.readDoubleBE(start);
    if (Number.isNaN(value)) throw this.damaged('NaN is no value', start);
    return value;
  }

  private longText(): string {
    const start = this.at;
    const length = this.varint();
    if (length < SHORT_TEXT_BYTES) throw this.damaged('the length is longer than it need be', start);
    return this.text(length);
  }

  private text(length: number): string {
    const start = this.skip(length);
    if (length > constants.MAX_STRING_LENGTH) throw this.damaged(`text of ${length} bytes is too long`, start);
    const text = this.bytes.toString('utf8', start, this.at);
    // Decoding puts U+FFFD in the place of what is invalid: text without one was valid, which is quicker to find out.
    if (text.includes('\ufffd') && !isUtf8(this.bytes.subarray(start, this.at)))
      throw this.damaged('text is not valid UTF-8', start);
    return text;
  }

  private content(length: number): Buffer {
    const start = this.skip(length);
    return this.bytes.subarray(start, this.at);
  }

  /** Steps over `length` bytes that must be there and says where they begin. */
  private skip(length: number): number {
    const start = this.at;
    if (length > this.bytes.length - start)
      throw this.damaged(`${length} bytes were announced, ${this.bytes.length - start} are left`);
    this.at = start + length;
    return start;
  }
}
