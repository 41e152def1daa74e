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
