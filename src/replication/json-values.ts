/**
 * Values as people and programs read them in JSON: integers beyond 2^53 as {"$int":"…"}, blobs as {"$blob":"base64"},
 * reals that JSON cannot hold as {"$real":"…"}, text that is not UTF-8 as {"$text":"base64"}.
 */
import { RawText, type SqlValue } from './row-version.js';

export type JsonValue =
  | null
  | number
  | string
  | { readonly $int: string }
  | { readonly $blob: string }
  | { readonly $real: string }
  | { readonly $text: string };

export function toJsonValue(value: SqlValue): JsonValue {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : { $int: value.toString() };
  }
  if (typeof value === 'number') return toJsonReal(value);
  if (value instanceof RawText) return { $text: value.bytes.toString('base64') };
  return { $blob: value.toString('base64') };
}

/** A real that is a whole number would read back as an integer, and JSON has no -0 and no infinities. */
function toJsonReal(value: number): JsonValue {
  if (!Number.isFinite(value)) return { $real: value > 0 ? 'Infinity' : '-Infinity' };
  if (Object.is(value, -0)) return { $real: '-0.0' };
  return Number.isInteger(value) ? { $real: value.toString() } : value;
}

/** An object of column name → value. */
export function toJsonRow(columns: readonly string[], image: readonly SqlValue[]): Record<string, JsonValue> {
  return Object.fromEntries(columns.map((name, i) => [name, toJsonValue(image[i] as SqlValue)]));
}

/** The value that a JSON value stands for; undefined: it stands for none. */
export function fromJsonValue(json: unknown): SqlValue | undefined {
  if (json === null || typeof json === 'string') return json;
  if (typeof json === 'boolean') return json ? 1n : 0n;
  if (typeof json === 'number') return Number.isSafeInteger(json) && !Object.is(json, -0) ? BigInt(json) : json;
  const entries = typeof json === 'object' && !Array.isArray(json) ? Object.entries(json) : [];
  const [entry] = entries;
  if (entry === undefined || entries.length !== 1 || typeof entry[1] !== 'string') return undefined;
  return fromTagged(entry[0], entry[1]);
}

const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const REALS: Readonly<Record<string, number>> = {
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};

function fromTagged(tag: string, text: string): SqlValue | undefined {
  if (tag === '$blob') return Buffer.from(text, 'base64');
  if (tag === '$text') return new RawText(Buffer.from(text, 'base64'));
  if (tag === '$int' && /^-?\d{1,19}$/.test(text)) {
    const integer = BigInt(text);
    return integer >= INT64.min && integer <= INT64.max ? integer : undefined;
  }
  if (tag !== '$real') return undefined;
  const real = REALS[text] ?? (text.trim() === '' ? Number.NaN : Number(text));
  return Number.isNaN(real) ? undefined : real;
}

/** Do two JSON values stand for one value of one storage class? Undefined is none. */
export function isSameJson(x: JsonValue | undefined, y: JsonValue | undefined): boolean {
  return x === y || (typeof x === 'object' && typeof y === 'object' && JSON.stringify(x) === JSON.stringify(y));
}
