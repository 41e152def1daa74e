/**
 * A row version with its image as one blob, for rows that are kept outside their table. It holds its own table
 * definition and session names, so it is read back whatever has become of either.
 */
import type { SqlValue, VersionedRow } from './row-version.js';
import { PAYLOAD } from './wire-frames.js';
import type { TableDefinition } from './wire-messages.js';
import { RowsDecoder, RowsEncoder } from './wire-rows.js';

const LENGTH_BYTES = 4;

export interface UnpackedRow {
  readonly definition: TableDefinition;
  readonly key: readonly SqlValue[];
  /** Column stamps are keyed by the column's place in the definition. */
  readonly row: VersionedRow;
}

/** Packs a row whose column stamps are keyed by `columnIds`, the ids of the definition's columns. */
export function packRow(
  definition: TableDefinition,
  columnIds: readonly number[],
  key: readonly SqlValue[],
  row: VersionedRow,
): Buffer {
  const encoder = new RowsEncoder();
  encoder.add(0, columnIds, { version: row.version, key, image: row.image });
  const payloads = encoder.take();
  const rows = payloads.at(-1) as Buffer;
  const sessions = payloads.length > 1 ? JSON.parse((payloads[0] as Buffer).toString('utf8', 1)) : [];
  const head = Buffer.from(JSON.stringify({ definition, sessions }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, rows]);
}

/** Reads what packRow wrote. */
export function unpackRow(packed: Buffer): UnpackedRow {
  const rowsAt = LENGTH_BYTES + packed.readUInt32BE(0);
  const { definition, sessions } = JSON.parse(packed.toString('utf8', LENGTH_BYTES, rowsAt)) as {
    definition: TableDefinition;
    sessions: string[];
  };
  const decoder = new RowsDecoder();
  decoder.addTable(definition);
  decoder.addSessions(sessions);
  const rows = [...decoder.decode(packed.subarray(rowsAt), 'packed row')];
  const [incoming] = rows;
  if (rows.length !== 1 || incoming === undefined || packed[rowsAt] !== PAYLOAD.rows) {
    throw new Error('a packed row holds something else');
  }
  return { definition, key: incoming.key, row: { version: incoming.version, image: incoming.image } };
}
