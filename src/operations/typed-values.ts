/**
 * Values as an operator types them for --set and in a review: JSON, in which numbers keep what they are. A whole number
 * is an integer of up to 64 bits, one with a point or an exponent a real; blobs and what JSON cannot hold are tagged as
 * in every document of sqlsync.
 */
import { SqlsyncError } from '../errors.js';
import { fromJsonValue, type JsonValue, toJsonValue } from '../replication/json-values.js';
import type { Decision } from '../replication/resolve-conflict.js';

const INTEGER = /^-?(?:0|[1-9]\d*)$/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const TEXT_HINT = `Text is quoted twice, for JSON and for the shell: --set 'name="Assam"'.`;
const TAGS_HINT = `Numbers, "text", true, false, null, {"$int":"…"}, {"$real":"…"}, {"$blob":"base64"}; a JSON document goes in as text.`;

/** The value that a text stands for. Throws `usage` with how to write it. */
export function parseTypedValue(text: string): JsonValue {
  const literal = text.trim();
  const json = INTEGER.test(literal) ? { $int: literal } : NUMBER.test(literal) ? { $real: literal } : parseJson(text);
  const value = fromJsonValue(json);
  if (value === undefined || (typeof value === 'number' && !Number.isFinite(value) && NUMBER.test(literal))) {
    throw new SqlsyncError('usage', `${text} is no value that SQLite could hold`, { hint: TAGS_HINT });
  }
  return toJsonValue(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SqlsyncError('usage', `${text === '' ? 'nothing' : text} is no JSON`, { hint: TEXT_HINT, cause });
  }
}

export interface Assignment {
  readonly column: string;
  readonly value: JsonValue;
}

/** `COL=JSON` */
export async function parseAssignment(text: string): Promise<Assignment> {
  const [, column, json] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (column === undefined || json === undefined) {
    throw new SqlsyncError('usage', `"${text}" is not COL=JSON`, { hint: `Such as price=4.5 or 'name="Assam"'.` });
  }
  return { column, value: parseTypedValue(json) };
}

/** The decision that --use and --set spell. Throws `usage` when there is none. */
export function decisionFrom(use: string | undefined, set: readonly Assignment[]): Exclude<Decision, 'undo'> {
  if (use !== undefined) return { use };
  if (set.length > 0) return { set: Object.fromEntries(set.map(({ column, value }) => [column, value])) };
  throw new SqlsyncError('usage', 'what is to be decided?', { hint: 'Say --use, --set or --interactive.' });
}
