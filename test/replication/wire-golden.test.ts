/**
 * Wire version 1 as it was recorded. Nodes that run an older sqlsync must be understood, and must understand: if a test
 * fails here, the change needs a wire version of its own, not another recording.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PAYLOAD } from '../../src/replication/wire-frames.js';
import { payloadsOf, readStream, sampleFrames } from '../support/sample-stream.js';

const FILE = new URL('../golden/wire-v1.bin', import.meta.url);

const written = Buffer.concat(await sampleFrames());
if (process.env.RECORD_GOLDEN === '1') writeFileSync(FILE, written);
const recorded = readFileSync(FILE);

/** Payloads in hex. The end frame's hash is left out: it is of packed bytes, which differ between versions of zlib. */
function spelledOut(stream: Buffer): string[] {
  return payloadsOf(stream).map((payload) => {
    if (payload[0] !== PAYLOAD.end) return payload.toString('hex');
    const { sha256: _, ...marker } = JSON.parse(payload.toString('utf8', 1));
    return JSON.stringify(marker);
  });
}

test('a recorded stream is read', () => {
  expect(readStream(recorded)).toEqual(readStream(written));
});

test('a stream is written as it was recorded', () => {
  expect(spelledOut(written)).toEqual(spelledOut(recorded));
});
