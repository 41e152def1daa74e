/**
 * Writes values and the integers everything binary is made of, in the form of docs/protocol.md ("A value").
 *
 * A value arrives exactly as it left: 64-bit integers, -0.0, infinities, text with NUL, text that is not UTF-8. There is
 * one way to write each, so that equal values are equal bytes; WireReader refuses every other way.
 */
import { SqlsyncError } from '../errors.js';
import { RawText, type SqlValue } from './row-version.js';

/** The first byte of a value. */
export const TAG = {
  null: 0,
  integer: 1,
  real: 2,
  text: 3,
  blob: 4,
  rawText: 5,
  /** From here on the tag holds the integer itself … */
  smallInteger: 16,
  /** … and from here on the length of a text. */
  shortText: 128,
} as const;

/** Integers from 0 and below this are their tag. */
export const SMALL_INTEGERS = TAG.shortText - TAG.smallInteger;

/** Texts of fewer bytes have their length in the tag. */
export const SHORT_TEXT_BYTES = 256 - TAG.shortText;

/** The longest varint: 64 bits, 7 a byte. */
export const VARINT_BYTES_MAX = 10;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** What one UTF-16 code unit can need in UTF-8. */
const BYTES_PER_UNIT_MAX = 3;
/** Longer texts are measured before room is made for them. */
const UNMEASURED_UNITS_MAX = 64 * 1024;

const FIRST_CAPACITY_BYTES = 256;
/** A writer makes as much room as it needed the last time, but no more than this: that may have been one large row. */
const NEXT_CAPACITY_BYTES_MAX = 2 * 1024 * 1024;

/** A growing buffer of bytes, varints and values. */
export class WireWriter {
  private bytes = Buffer.alloc(0);
  private at = 0;
  private nextCapacity = FIRST_CAPACITY_BYTES;

  /** Bytes written since the last take(). */
  get size(): number {
    return this.at;
  }

  /** Hands over what was written and starts anew. */
  take(): Buffer {
    const written = this.bytes.subarray(0, this.at);
    this.nextCapacity = Math.min(this.bytes.length, NEXT_CAPACITY_BYTES_MAX);
    this.bytes = Buffer.alloc(0);
    this.at = 0;
    return written;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  /** An unsigned integer up to Number.MAX_SAFE_INTEGER. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new SqlsyncError('bug', `${value} is no unsigned integer`);
    this.reserve(VARINT_BYTES_MAX);
    this.putVarint(value);
  }

  /** A signed integer between ±Number.MAX_SAFE_INTEGER. */
  zigzag(value: number): void {
    if (!Number.isSafeInteger(value)) throw new SqlsyncError('bug', `${value} is no safe integer`);
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
    const bytesMax = units > UNMEASURED_UNITS_MAX ? Buffer.byteLength(value) : units * BYTES_PER_UNIT_MAX;
    this.reserve(1 + VARINT_BYTES_MAX + bytesMax);
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
    const grown = Buffer.allocUnsafe(Math.max(needed, this.nextCapacity, this.bytes.length * 2));
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
