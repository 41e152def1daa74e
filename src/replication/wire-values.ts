/**
 * Values and the integers everything binary is made of, in the form of docs/protocol.md ("A value").
 *
 * A value arrives exactly as it left: 64-bit integers, -0.0, infinities, text with NUL, text that is no UTF-8. There is
 * one way to write each, and WireReader refuses every other: what it accepts, WireWriter writes again byte for byte.
 * That makes encoded keys comparable as blobs.
 *
 * WireReader reads what a peer sent: it throws SqlsyncError 'batch-damaged' and nothing else, and allocates no more than
 * the bytes at hand account for.
 */
import { constants, isUtf8 } from 'node:buffer';
import { SqlsyncError } from '../errors.js';
import { RawText, type SqlValue } from './row-version.js';

const TAG = { null: 0, integer: 1, real: 2, text: 3, blob: 4, rawText: 5, smallInteger: 16, shortText: 128 } as const;

/** Integers from 0 up to here (exclusive) are their tag. */
const SMALL_INTEGERS = TAG.shortText - TAG.smallInteger;
/** Texts of fewer bytes than this have their length in the tag. */
const SHORT_TEXT_BYTES = 256 - TAG.shortText;

const SMALL_BIGINTS = Array.from({ length: SMALL_INTEGERS }, (_, n) => BigInt(n));
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** The longest varint: 64 bits, 7 a byte. */
const VARINT_BYTES_MAX = 10;
/** UTF-8 bytes that one UTF-16 code unit can need. */
const UTF8_BYTES_PER_UNIT_MAX = 3;

/** What is written stays in one buffer up to here; less than that is copied out, so that the buffer serves again. */
const COPIED_BYTES_MAX = 4096;
const CAPACITY_BYTES = 64 * 1024;

/** A growing buffer of bytes, varints and values. */
export class WireWriter {
  private bytes: Buffer;
  private at = 0;

  constructor(private readonly capacityBytes = CAPACITY_BYTES) {
    this.bytes = Buffer.allocUnsafeSlow(capacityBytes);
  }

  /** Bytes written since the last take(). */
  get size(): number {
    return this.at;
  }

  /** Hands over what was written and starts anew. */
  take(): Buffer {
    const written = this.bytes.subarray(0, this.at);
    this.at = 0;
    if (written.length <= COPIED_BYTES_MAX) return Buffer.from(written);
    this.bytes = Buffer.allocUnsafeSlow(this.capacityBytes);
    return written;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  /** An unsigned integer up to Number.MAX_SAFE_INTEGER. */
  varint(value: number): void {
    this.reserve(VARINT_BYTES_MAX);
    this.putVarint(value);
  }

  /** A signed integer between ±Number.MAX_SAFE_INTEGER. */
  zigzag(value: number): void {
    this.reserve(VARINT_BYTES_MAX);
    this.putZigzag(value);
  }

  /** A value with its tag. */
  value(value: SqlValue): void {
    if (typeof value === 'string') this.text(value);
    else if (typeof value === 'bigint') this.integer(value);
    else if (typeof value === 'number') this.real(value);
    else if (value === null) this.byte(TAG.null);
    else if (value instanceof RawText) this.tagged(TAG.rawText, value.bytes);
    else this.tagged(TAG.blob, value);
  }

  private integer(value: bigint): void {
    this.reserve(1 + VARINT_BYTES_MAX);
    // Rounding never brings an unsafe integer below 2^53, so a safe result is exact; BigInt arithmetic is slow.
    const number = Number(value);
    if (number >= 0 && number < SMALL_INTEGERS) {
      this.bytes[this.at++] = TAG.smallInteger + number;
      return;
    }
    if (value < INT64_MIN || value > INT64_MAX) throw new SqlsyncError('bug', `${value} does not fit into 64 bits`);
    this.bytes[this.at++] = TAG.integer;
    if (Number.isSafeInteger(number)) this.putZigzag(number);
    else this.putZigzag64(value);
  }

  private real(value: number): void {
    if (Number.isNaN(value)) throw new SqlsyncError('bug', 'NaN is no value of SQLite');
    this.reserve(9);
    this.bytes[this.at++] = TAG.real;
    this.at = this.bytes.writeDoubleBE(value, this.at);
  }

  private text(value: string): void {
    const units = value.length;
    this.reserve(1 + VARINT_BYTES_MAX + units * UTF8_BYTES_PER_UNIT_MAX);
    // Written where it belongs if it is ASCII, as most text is: then its length in bytes is known beforehand.
    const start = this.at + textHeaderBytes(units);
    const length = this.bytes.write(value, start, 'utf8');
    if (length !== units) {
      if (/\p{Surrogate}/u.test(value)) throw new SqlsyncError('bug', 'a lone surrogate cannot be written as UTF-8');
      const headerBytes = textHeaderBytes(length);
      if (this.at + headerBytes !== start) this.bytes.copyWithin(this.at + headerBytes, start, start + length);
    }
    if (length < SHORT_TEXT_BYTES) {
      this.bytes[this.at++] = TAG.shortText + length;
    } else {
      this.bytes[this.at++] = TAG.text;
      this.putVarint(length);
    }
    this.at += length;
  }

  private tagged(tag: number, content: Buffer): void {
    this.reserve(1 + VARINT_BYTES_MAX + content.length);
    this.bytes[this.at++] = tag;
    this.putVarint(content.length);
    this.bytes.set(content, this.at);
    this.at += content.length;
  }

  private putVarint(value: number): void {
    let rest = value;
    while (rest > 0x7fff_ffff) {
      this.bytes[this.at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      this.bytes[this.at++] = (rest & 127) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.at++] = rest;
  }

  /** The first byte takes sign and 6 bits: doubling the whole would leave the safe integers. */
  private putZigzag(value: number): void {
    const sign = value < 0 ? 1 : 0;
    const magnitude = sign === 1 ? -value - 1 : value;
    const first = ((magnitude & 63) << 1) | sign;
    if (magnitude < 64) {
      this.bytes[this.at++] = first;
    } else {
      this.bytes[this.at++] = first | 0x80;
      this.putVarint(Math.floor(magnitude / 64));
    }
  }

  private putZigzag64(value: bigint): void {
    let rest = value < 0n ? -2n * value - 1n : 2n * value;
    while (rest > 127n) {
      this.bytes[this.at++] = Number(rest & 127n) | 0x80;
      rest >>= 7n;
    }
    this.bytes[this.at++] = Number(rest);
  }

  private reserve(count: number): void {
    const needed = this.at + count;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.at);
    this.bytes = grown;
  }
}

function textHeaderBytes(length: number): number {
  if (length < SHORT_TEXT_BYTES) return 1;
  let bytes = 2;
  for (let rest = length; rest > 127; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** Reads what WireWriter wrote. Blobs are views of `bytes`, not copies. */
export class WireReader {
  /** The place of the next byte. */
  at = 0;

  /** `what` names the bytes in messages: "rows of frame 3". */
  constructor(
    private readonly bytes: Buffer,
    private readonly what: string,
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

const KEY_CAPACITY_BYTES = 1024;
const keyWriter = new WireWriter(KEY_CAPACITY_BYTES);

/** A row's key as a blob: equal keys have equal blobs. */
export function encodeKey(values: readonly SqlValue[]): Buffer {
  for (const value of values) keyWriter.value(value);
  return keyWriter.take();
}

/** The values of a key that encodeKey wrote. */
export function decodeKey(key: Buffer): SqlValue[] {
  const reader = new WireReader(key, 'key');
  const values: SqlValue[] = [];
  while (!reader.done) values.push(reader.value());
  return values;
}
