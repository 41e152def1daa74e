/**
 * Measures the wire on rows of
 *   items(id TEXT PRIMARY KEY, a INT, b INT, name TEXT, note TEXT, price REAL, data BLOB, updated INT)
 * and prints medians of one thread. Usage: tsx scripts/bench/wire.ts [rows]
 */
import { createHash } from 'node:crypto';
import type { SqlValue } from '../../src/replication/row-version.js';
import { encodeFrame, FrameParser, PAYLOAD, unpackFrameSync } from '../../src/replication/wire-frames.js';
import { type OutgoingRow, RowsDecoder, RowsEncoder } from '../../src/replication/wire-rows.js';

const ROWS = Number(process.argv[2] ?? 50_000);
const ROUNDS = 15;
const PAYLOAD_BYTES = 512 * 1024;
const FRAME_BYTES_MAX = 16 * 1024 * 1024;

const COLUMNS = ['id', 'a', 'b', 'name', 'note', 'price', 'data', 'updated'];
const COLUMN_IDS = COLUMNS.map((_, id) => id);
const ITEMS = {
  name: 'items',
  columns: COLUMNS,
  affinities: 'B'.repeat(COLUMNS.length),
  key: ['id'],
  collations: ['BINARY'],
};
const SESSION = 'berlin.0123456789abcdef@0';
const FIRST_HLC = 3_580_000_000_000_000;
const WORDS = 'order shipped to the north warehouse pending review of a late invoice paid fragile return'.split(' ');

/** Bytes that look random and are the same on every run. */
function noise(seed: string): Buffer {
  return createHash('sha256').update(seed).digest();
}

function item(i: number): OutgoingRow {
  const random = noise(`row ${i}`);
  const id = random.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  const words = [...random.subarray(16, 22)].map((byte) => WORDS[byte % WORDS.length]);
  const image: SqlValue[] = [
    id,
    BigInt(i),
    BigInt(random.readUInt16BE(22)),
    `item ${i}`,
    words.join(' '),
    random.readUInt32BE(24) / 100,
    noise(`data ${i}`),
    BigInt(1_760_000_000_000 + i * 37),
  ];
  const stamp = { hlc: FIRST_HLC + i * 700, session: SESSION };
  return { version: { alive: true, life: stamp, stamp, vector: null, columnStamps: null, edits: 1 }, key: [id], image };
}

function encode(rows: readonly OutgoingRow[]): Buffer[] {
  const encoder = new RowsEncoder();
  const payloads: Buffer[] = [];
  for (const row of rows) {
    encoder.add(0, COLUMN_IDS, row);
    if (encoder.size >= PAYLOAD_BYTES) payloads.push(...encoder.take());
  }
  payloads.push(...encoder.take());
  return payloads;
}

function decode(payloads: readonly Buffer[]): number {
  const decoder = new RowsDecoder();
  decoder.addTable(ITEMS);
  decoder.addSessions([SESSION]);
  let count = 0;
  for (const payload of payloads) {
    if (payload[0] === PAYLOAD.rows) for (const _ of decoder.decode(payload)) count++;
  }
  return count;
}

function unpack(stream: Buffer): void {
  for (const frame of new FrameParser(FRAME_BYTES_MAX).feed(stream)) unpackFrameSync(frame, FRAME_BYTES_MAX);
}

/** Prints the median of what `work` takes for a row. */
async function measure(name: string, work: () => unknown): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    await work();
    times.push(Number(process.hrtime.bigint() - start) / 1000 / ROWS);
  }
  const median = times.sort((x, y) => x - y)[ROUNDS >> 1] as number;
  console.log(`${name.padEnd(24)}${median.toFixed(2)} µs a row`);
}

const rows = Array.from({ length: ROWS }, (_, i) => item(i));
const payloads = encode(rows);
const stream = Buffer.concat(await Promise.all(payloads.map((payload) => encodeFrame(payload))));
if (decode(payloads) !== ROWS) throw new Error('rows were lost');

const unpackedBytes = payloads.reduce((sum, payload) => sum + payload.length, 0);
console.log(`${ROWS} rows of ${(unpackedBytes / ROWS).toFixed(1)} bytes, ${(stream.length / ROWS).toFixed(1)} packed`);
await measure('encode', () => encode(rows));
await measure('pack', async () => {
  for (const payload of payloads) await encodeFrame(payload);
});
await measure('unpack', () => unpack(stream));
await measure('decode', () => decode(payloads));
