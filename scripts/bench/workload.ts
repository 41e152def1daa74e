/** The benchmarks' table and rows: about 150 bytes a row, the same on every run. */
import type { Database } from 'better-sqlite3';

export const ITEMS =
  'CREATE TABLE items(id TEXT PRIMARY KEY, a INT, b INT, name TEXT, note TEXT, price REAL, data BLOB, updated INT)';

export type ItemRow = readonly [id: string, ...values: unknown[]];

/** xorshift32: every run, and every file, sees the same keys and values. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const WORDS = 'order shipped to the north warehouse pending review of a late invoice paid fragile return'.split(' ');

/** Row `i`, of about 150 bytes: a random key of 32 digits, words, a price, 16 random bytes. */
export function makeItem(i: number, next: () => number): ItemRow {
  const hex = (words: number) => Array.from({ length: words }, () => next().toString(16).padStart(8, '0')).join('');
  const note = Array.from({ length: 8 }, () => WORDS[next() % WORDS.length]).join(' ');
  return [
    hex(4),
    BigInt(next() % 1000),
    BigInt(next()),
    `item ${i}`,
    note,
    next() / 100,
    Buffer.from(hex(4), 'hex'),
    BigInt(i),
  ];
}

/** Inserts `count` rows, 1,000 a transaction, and returns the first and the last key. */
export function insertItems(db: Database, count: number, seed: number): { first: string; last: string } {
  const next = randomNumbers(seed);
  const insert = db.prepare('INSERT INTO items VALUES(?, ?, ?, ?, ?, ?, ?, ?)');
  let first = '';
  let last = '';
  const insertSome = db.transaction((from: number, to: number) => {
    for (let i = from; i < to; i += 1) {
      const row = makeItem(i, next);
      if (first === '') [first] = row;
      [last] = row;
      insert.run(...row);
    }
  });
  for (let i = 0; i < count; i += 1000) insertSome(i, Math.min(count, i + 1000));
  return { first, last };
}

export const sorted = (numbers: readonly number[]): number[] => [...numbers].sort((x, y) => x - y);

export function percentile(numbers: readonly number[], share: number): number {
  const all = sorted(numbers);
  return all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? Number.NaN;
}

export const median = (numbers: readonly number[]): number => percentile(numbers, 0.5);

/** `12.3 (11.9–14.0)`: the median with its spread. */
export function spread(numbers: readonly number[], digits = 1): string {
  const all = sorted(numbers);
  const text = (n: number | undefined) => (n ?? Number.NaN).toFixed(digits);
  return `${text(median(all))} (${text(all[0])}–${text(all.at(-1))})`;
}
