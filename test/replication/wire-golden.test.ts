/**
 * Wire versions as they were recorded: this one, and the one before, which nodes that run an older sqlsync speak. They must
 * be understood, and must understand: if a test fails here, the change needs a wire version of its own, not another
 * recording. With that the oldest recording goes, and WIRE_VERSION_MIN rises.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { PAYLOAD } from '../../src/replication/wire-frames.js';
import { WIRE_VERSION, WIRE_VERSION_MIN } from '../../src/replication/wire-messages.js';
import { payloadsOf, readStream, sampleFrames } from '../support/sample-stream.js';

const FOLDER = new URL('../golden/', import.meta.url);
const fileOf = (version: number) => new URL(`wire-v${version}.bin`, FOLDER);

if (process.env.RECORD_GOLDEN === '1') writeFileSync(fileOf(WIRE_VERSION), Buffer.concat(await sampleFrames()));

/** Payloads in hex. The end frame's hash is left out: it is of packed bytes, which differ between versions of zlib. */
function spelledOut(stream: Buffer): string[] {
  return payloadsOf(stream).map((payload) => {
    if (payload[0] !== PAYLOAD.end) return payload.toString('hex');
    const { sha256: _, ...marker } = JSON.parse(payload.toString('utf8', 1));
    return JSON.stringify(marker);
  });
}

test('this version and the one before are recorded', () => {
  expect(WIRE_VERSION_MIN).toBe(WIRE_VERSION - 1);
  const recorded = readdirSync(FOLDER).filter((name) => name.startsWith('wire-'));
  expect(recorded.sort()).toEqual([WIRE_VERSION_MIN, WIRE_VERSION].map((version) => `wire-v${version}.bin`));
});

describe.each([WIRE_VERSION_MIN, WIRE_VERSION])('wire version %i', async (version) => {
  const written = Buffer.concat(await sampleFrames(version));
  const recorded = readFileSync(fileOf(version));

  test('a recorded stream is read', () => {
    expect(readStream(recorded)).toEqual(readStream(written));
  });

  test('a stream is written as it was recorded', () => {
    expect(spelledOut(written)).toEqual(spelledOut(recorded));
  });
});
