/**
 * Values of rows for people: short, on one line, and told apart where they would look alike. What could steer a terminal
 * is escaped.
 */
import { renderBytes } from '../render-figures.js';
import type { JsonValue } from '../replication/json-values.js';
import type { JsonRow } from '../replication/recorded-conflict.js';

/** Longer text is cut, and its length told. */
export const VALUE_CHARS_MAX = 40;
const BLOB_BYTES_SHOWN_MAX = 8;

/** What text must not look like without quotes: another value, or nothing. */
const MISLEADING = /^(?:|NULL|-?(?:\d[\d.e+-]*|Infinity)|blob .*|text, not .*|".*|\s.*|.*\s)$/is;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const STEERING = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Names and texts of the application, as they can be shown. */
export function printable(text: string): string {
  return text.replace(STEERING, (char) => {
    const escaped = JSON.stringify(char).slice(1, -1);
    return escaped === char ? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}` : escaped;
  });
}

/** @param charsMax of text, before it is cut */
export function renderValue(value: JsonValue | undefined, charsMax = VALUE_CHARS_MAX): string {
  if (value === undefined) return '';
  if (value === null) return 'NULL';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return renderText(value, charsMax);
  if ('$int' in value) return value.$int;
  if ('$real' in value) return /^-?\d+$/.test(value.$real) ? `${value.$real}.0` : value.$real;
  if ('$blob' in value) return renderBytesOf(Buffer.from(value.$blob, 'base64'), 'blob');
  return renderBytesOf(Buffer.from(value.$text, 'base64'), 'text, not UTF-8,');
}

function renderText(text: string, charsMax: number): string {
  const isCut = text.length > charsMax;
  const shown = isCut ? text.slice(0, charsMax) : text;
  const isMisleading = MISLEADING.test(text) || printable(text) !== text;
  const quoted = isMisleading ? printable(JSON.stringify(shown)) : shown;
  return isCut ? `${quoted}… (${text.length.toLocaleString('en')} characters)` : quoted;
}

function renderBytesOf(bytes: Buffer, what: string): string {
  const shown = bytes.subarray(0, BLOB_BYTES_SHOWN_MAX).toString('hex');
  return `${what} ${renderBytes(bytes.length)}${shown === '' ? '' : ` ${shown}${bytes.length > BLOB_BYTES_SHOWN_MAX ? '…' : ''}`}`;
}

/** `sku=tea`, `order=7, line=2` */
export function renderKey(key: JsonRow): string {
  return Object.entries(key)
    .map(([name, value]) => `${printable(name)}=${renderValue(value)}`)
    .join(', ');
}
