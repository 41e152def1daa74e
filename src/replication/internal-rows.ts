/**
 * Rows of sqlsync's own tables as a peer may send them: what reads them later relies on their types, and on the shape of
 * the JSON in them. Kinds and choices that a later version may add are not judged. Pure.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { SqlsyncError } from '../errors.js';
import type { SqlValue } from './row-version.js';

const TEXT_CHARS_MAX = 1_000_000;

type Check = (value: SqlValue) => boolean;

const isText: Check = (value) => typeof value === 'string' && value.length <= TEXT_CHARS_MAX;
/** Read as a number. */
const isTime: Check = (value) => typeof value === 'bigint' && value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER);
const isHex32: Check = (value) => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
const isNodeName: Check = (value) => typeof value === 'string' && /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}$/.test(value);
const isAccess: Check = (value) => value === 'read' || value === 'write';
const isPublicKey: Check = (value) => typeof value === 'string' && /^[\w-]{43}$/.test(value);
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);

/** Text that is JSON of that shape. */
function json(schema: z.ZodType): Check {
  return (value) => {
    if (typeof value !== 'string') return false;
    try {
      return schema.safeParse(JSON.parse(value)).success;
    } catch {
      return false;
    }
  };
}

const jsonRow = z.record(z.string(), z.unknown());
const side = z.looseObject({
  node: z.string().nullable(),
  session: z.string().nullable(),
  hlc: z.number(),
  row: jsonRow.nullable(),
  stands: z.array(z.string()).optional(),
});
const detail = z.looseObject({ parent: z.looseObject({ table: z.string(), key: jsonRow }).optional() });
const rowStates = z.array(z.looseObject({ table: z.string(), key: jsonRow, row: jsonRow.nullable() }));

/** By the table's name without its prefix, and by column. A column that is not named here may hold anything. */
const CHECKS: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  member: {
    name: isNodeName,
    node_id: isHex32,
    access: isAccess,
    joined_at: isTime,
    removed: orNull(isTime),
  },
  conflict: {
    id: isText,
    tbl: isText,
    key: json(jsonRow),
    kind: isText,
    strategy: isText,
    columns: json(z.array(z.string())),
    winner: json(side),
    loser: json(side),
    detail: orNull(json(detail)),
    detected_at: isTime,
  },
  resolution: {
    id: isText,
    conflict: isText,
    choice: isText,
    before: json(rowStates),
    after: json(rowStates),
    node: isNodeName,
    operator: isText,
    at: isTime,
  },
  operation: {
    id: isText,
    at: isTime,
    node: isNodeName,
    operator: isText,
    command: isText,
    detail: json(z.unknown()),
    result: isText,
  },
  credential: {
    id: isHex32,
    node: isNodeName,
    public_key: orNull(isPublicKey),
    access: isAccess,
    issued_at: isTime,
    revoked: orNull(isTime),
  },
  absence: {
    id: isText,
    node: isNodeName,
    tbl: isText,
    fate: isText,
    hlc: isTime,
    at: isTime,
  },
};

/** Throws `batch-refused` for a row that could not have been written by sqlsync. */
export function assertInternalRow(table: string, columns: readonly string[], image: readonly SqlValue[]): void {
  const kind = table.replace(/^_sqlsync_/, '');
  const checks = CHECKS[kind] ?? {};
  const wrong = columns.find((column, place) => checks[column]?.(image[place] ?? null) === false);
  if (wrong !== undefined) throw refused(table, wrong);
  if (kind === 'credential' && !isKeyOfItsId(columns, image)) throw refused(table, 'id');
}

/** A key is named by its own digest, so that none can be passed off under the name of another. */
function isKeyOfItsId(columns: readonly string[], image: readonly SqlValue[]): boolean {
  const [id, key] = ['id', 'public_key'].map((column) => image[columns.indexOf(column)]);
  if (typeof key !== 'string') return true;
  return createHash('sha256').update(Buffer.from(key, 'base64url')).digest('hex').startsWith(String(id));
}

function refused(table: string, column: string): SqlsyncError {
  return new SqlsyncError('batch-refused', `a row of ${table} cannot be: its ${column}`, {
    hint: 'do both nodes run the same version of sqlsync?',
  });
}
