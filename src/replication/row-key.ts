/**
 * Identity of rows outside SQL: a text that is the same for two keys exactly when SQLite holds them equal under the
 * key's collations.
 */
import { RawText, type SqlValue } from './row-version.js';

/** BINARY compares bytes, NOCASE folds ASCII and stops looking at a NUL, RTRIM ignores trailing spaces. */
function canonicalText(text: string, collation: string): string {
  switch (collation.toUpperCase()) {
    case 'NOCASE': {
      const end = text.indexOf('\0');
      if (end < 0) return foldAscii(text);
      return `${foldAscii(text.slice(0, end))}\0${Buffer.byteLength(text)}`;
    }
    case 'RTRIM':
      return text.replace(/ +$/, '');
    default:
      return text;
  }
}

function foldAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

const INT64_MIN = -(2 ** 63);
const INT64_END = 2 ** 63;

function canonicalReal(value: number): string {
  return Number.isInteger(value) && value >= INT64_MIN && value < INT64_END ? `i${BigInt(value)}` : `r${value}`;
}

function canonicalValue(value: SqlValue, collation: string): string {
  if (value === null) return 'n';
  if (typeof value === 'bigint') return `i${value}`;
  if (typeof value === 'number') return canonicalReal(value);
  if (typeof value === 'string') return `s${canonicalText(value, collation)}`;
  if (value instanceof RawText) return `x${canonicalText(value.bytes.toString('latin1'), collation)}`;
  return `b${value.toString('latin1')}`;
}

/** The canonical text of a key whose columns have these collations. */
export function canonicalKey(values: readonly SqlValue[], collations: readonly string[]): string {
  if (values.length === 1) return canonicalValue(values[0] as SqlValue, collations[0] as string);
  let text = '';
  for (let i = 0; i < values.length; i += 1) {
    const part = canonicalValue(values[i] as SqlValue, collations[i] as string);
    text += `${part.length}:${part}`;
  }
  return text;
}

/** SQLite's order of storage classes: NULL, numbers, text, blobs. */
function classRank(value: SqlValue): number {
  if (value === null) return 0;
  if (typeof value === 'bigint' || typeof value === 'number') return 1;
  return typeof value === 'string' || value instanceof RawText ? 2 : 3;
}

function compareValues(x: SqlValue, y: SqlValue, collation: string): number {
  const rank = classRank(x) - classRank(y);
  if (rank !== 0 || x === null || y === null) return rank;
  if (typeof x === 'bigint' || typeof x === 'number') return x < (y as bigint) ? -1 : x > (y as bigint) ? 1 : 0;
  return Buffer.compare(comparedBytes(x, collation), comparedBytes(y, collation));
}

function comparedBytes(value: SqlValue, collation: string): Buffer {
  if (typeof value === 'string') return Buffer.from(canonicalText(value, collation));
  return value instanceof RawText ? value.bytes : (value as Buffer);
}

/** Orders keys as SQLite does under these collations. */
export function compareKeys(x: readonly SqlValue[], y: readonly SqlValue[], collations: readonly string[]): number {
  for (const [i, collation] of collations.entries()) {
    const order = compareValues(x[i] as SqlValue, y[i] as SqlValue, collation);
    if (order !== 0) return order;
  }
  return 0;
}
