/**
 * A row's key as one blob: its values as on the wire, one after another. Values that are the same (not merely equal to
 * SQLite, as 1 and 1.0 are, or two spellings under NOCASE) have the same blob.
 */
import type { SqlValue } from './row-version.js';
import { WireReader } from './wire-reader.js';
import { WireWriter } from './wire-writer.js';

export function encodeKey(values: readonly SqlValue[]): Buffer {
  const writer = new WireWriter();
  for (const value of values) writer.value(value);
  return writer.take();
}

/** The values of a key that encodeKey wrote. Blobs are views of it. */
export function decodeKey(key: Buffer): SqlValue[] {
  const reader = new WireReader(key, 'key');
  const values: SqlValue[] = [];
  while (!reader.done) values.push(reader.value());
  return values;
}
