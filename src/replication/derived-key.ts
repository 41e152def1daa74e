/**
 * The key that a row gets when two nodes gave one allocated key to two rows and this one lost: the same on every node,
 * since it is computed from what the row is. It is negative, so that it stays out of SQLite's own allocation (the highest
 * plus one), far from what applications use, and a number that JSON holds.
 */
import { createHash } from 'node:crypto';
import { type Stamp, stampText } from './stamp.js';

/** Derived keys are from -2^52 to -2^51, and multiples of this: what SQLite allocates beside one, where no other is left, is none. */
const STEP = 64n;
const MAGNITUDE_MIN = 2n ** 51n;
const MAGNITUDE_END = 2n ** 52n;

/** `life` is the insert by which the row lives. */
export function derivedKey(table: string, key: bigint, life: Stamp): bigint {
  const hash = createHash('sha256')
    .update(JSON.stringify([table, key.toString(), stampText(life)]))
    .digest();
  const steps = (MAGNITUDE_END - MAGNITUDE_MIN) / STEP;
  return -(MAGNITUDE_MIN + (hash.readBigUInt64BE() % steps) * STEP);
}

export function isDerivedKey(key: bigint): boolean {
  return key <= -MAGNITUDE_MIN && key > -MAGNITUDE_END && key % STEP === 0n;
}
