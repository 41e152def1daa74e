/**
 * Values of keys and rows as text, and their hashes, for nodes that compare what they have. Equal values have equal
 * bytes, storage class and bits of REALs included, since there is one way to write each.
 */
import { createHash } from 'node:crypto';
import { SqlsyncError } from '../errors.js';
import { type AnsweredRow, HASH_BYTES, type LargeValue } from './compare-messages.js';
import { type JsonValue, toJsonValue } from './json-values.js';
import type { SqlValue } from './row-version.js';
import { WireReader } from './wire-reader.js';
import { WireWriter } from './wire-writer.js';

/** What a row may take in an answer; values that no longer fit are told by their hash. */
const ROW_BYTES_MAX = 1024 * 1024;
/** Below this, a hash would be no shorter than the value. */
const VALUE_BYTES_MIN = 64;

const writer = new WireWriter();

function bytesOf(values: readonly SqlValue[]): Buffer {
  for (const value of values) writer.value(value);
  return writer.take();
}

export function hashOf(bytes: Buffer): string {
  const hasher = new RangeHasher();
  hasher.add(bytes);
  return hasher.digest();
}

/** The hash of bytes that come in pieces. */
export class RangeHasher {
  private readonly hash = createHash('sha256');

  add(bytes: Buffer): void {
    this.hash.update(bytes);
  }

  /** In hex. Ends the hasher. */
  digest(): string {
    return this.hash.digest('hex').slice(0, HASH_BYTES * 2);
  }
}

export function hashOfValues(values: readonly SqlValue[]): string {
  return hashOf(bytesOf(values));
}

export function packValues(values: readonly SqlValue[]): string {
  return bytesOf(values).toString('base64');
}

/** The key that packValues wrote. Throws 'batch-damaged', also for one that holds NULL, which is none. */
export function unpackKey(text: string, columns: number): SqlValue[] {
  const key = unpackValues(text, columns);
  if (key.includes(null)) throw new SqlsyncError('batch-damaged', 'a key to compare holds NULL');
  return key;
}

/** The values that packValues wrote. Throws 'batch-damaged', also where they are not `count`. */
function unpackValues(text: string, count: number): SqlValue[] {
  const reader = new WireReader(Buffer.from(text, 'base64'), 'values to compare');
  const values: SqlValue[] = [];
  while (!reader.done) values.push(reader.value());
  if (values.length !== count) {
    throw new SqlsyncError('batch-damaged', `${values.length} values came where ${count} were expected`);
  }
  return values;
}

/** A value of a peer's row that was too large to be sent. */
export class ValueDigest {
  constructor(
    readonly bytes: number,
    readonly hash: string,
  ) {}
}

export type ComparedValue = SqlValue | ValueDigest;

/** A row for an answer. */
export function packRow(image: readonly SqlValue[]): NonNullable<AnsweredRow['row']> {
  const whole = bytesOf(image);
  const hash = hashOf(whole);
  if (whole.length <= ROW_BYTES_MAX) return { hash, values: whole.toString('base64'), large: [] };
  const large: LargeValue[] = [];
  let room = ROW_BYTES_MAX;
  const kept = image.map((value, place) => {
    const bytes = bytesOf([value]);
    if (bytes.length < VALUE_BYTES_MIN || bytes.length <= room) {
      room -= bytes.length;
      return value;
    }
    large.push({ place, bytes: bytes.length, hash: hashOf(bytes) });
    return null;
  });
  return { hash, values: packValues(kept), large };
}

/** The row that packRow packed. Throws 'batch-damaged'. */
export function unpackRow({ values, large }: NonNullable<AnsweredRow['row']>, columns: number): ComparedValue[] {
  const image: ComparedValue[] = unpackValues(values, columns);
  for (const { place, bytes, hash } of large) image[place] = new ValueDigest(bytes, hash);
  return image;
}

export function isSameCompared(x: ComparedValue, y: ComparedValue): boolean {
  const digest = (value: ComparedValue) => (value instanceof ValueDigest ? value.hash : hashOfValues([value]));
  return digest(x) === digest(y);
}

export type ComparedJson = JsonValue | { readonly $hash: string; readonly bytes: number };

/** A row as people and programs read it. */
export function toComparedJson(
  columns: readonly string[],
  image: readonly ComparedValue[],
): Record<string, ComparedJson> {
  const json = (value: ComparedValue): ComparedJson =>
    value instanceof ValueDigest ? { $hash: value.hash, bytes: value.bytes } : toJsonValue(value);
  return Object.fromEntries(columns.map((name, i) => [name, json(image[i] as ComparedValue)]));
}
