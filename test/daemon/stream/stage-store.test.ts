import { existsSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type StageLimits, StageStore } from '../../../src/daemon/stream/stage-store.js';
import type { Stage } from '../../../src/replication/stage.js';
import { makeFolder } from '../../support/make-folder.js';
import { HELLO, ITEM_ROWS, LIMITS, LINK_ROWS, MARKER, sampleFrames } from '../../support/sample-stream.js';

const ROOMY: StageLimits = {
  ...LIMITS,
  streamBytesMax: 1024 * 1024,
  stageMemoryBytesMax: 1024 * 1024,
  applyTransactionRowsMax: 1000,
  applyTransactionBytesMax: 1024 * 1024,
  idleTimeoutMs: 1000,
};

function makeStore(limits: Partial<StageLimits> = {}) {
  const folder = makeFolder();
  let ids = 0;
  const side = { stagePath: (id: string) => join(folder, `stage-${id}`) };
  const store = new StageStore(side, { ...ROOMY, ...limits }, { hex: () => `${ids++}` });
  return { store, folder, files: () => readdirSync(folder) };
}

const stream = Buffer.concat(await sampleFrames());

/** The stream in pieces of `size` bytes. */
function* pieces(size: number): Generator<Buffer> {
  for (let at = 0; at < stream.length; at += size) yield stream.subarray(at, at + size);
}

function rowsOf(stage: Stage) {
  return [...stage.batches()].flatMap(({ tables, rows }) =>
    [...rows].map(({ tableIndex, image, key }) => [tables[tableIndex]?.name, image ?? key]),
  );
}

const EXPECTED = [
  ...ITEM_ROWS.map(({ image }) => ['items', image]),
  ...LINK_ROWS.map(({ image, key }) => ['we"ird links', image ?? key]),
];

describe('StageStore', () => {
  it.each([1, 7, 100, 1 << 20])('makes a stage of a stream in pieces of %i bytes', async (size) => {
    const { store, files } = makeStore();
    const receiver = store.receive();
    for (const piece of pieces(size)) {
      expect(receiver.isWhole).toBe(false);
      receiver.push(piece);
    }
    expect(receiver.isWhole).toBe(true);
    const stage = await receiver.finish();
    expect(stage.sender).toEqual(HELLO);
    expect(stage.end).toEqual({ ...MARKER, rows: EXPECTED.length });
    expect(stage.rows).toBe(EXPECTED.length);
    expect(rowsOf(stage)).toEqual(EXPECTED);
    expect(rowsOf(stage)).toEqual(EXPECTED);
    expect(files()).toEqual([]);
  });

  it('keeps in a private file what is larger than memory may hold, and removes it when told', async () => {
    const { store, folder, files } = makeStore({ stageMemoryBytesMax: 300 });
    const receiver = store.receive();
    for (const piece of pieces(64)) receiver.push(piece);
    const stage = await receiver.finish();
    expect(files()).toEqual([`stage-${stage.id}`]);
    expect(statSync(join(folder, `stage-${stage.id}`)).mode & 0o777).toBe(0o600);
    expect(rowsOf(stage)).toEqual(EXPECTED);
    store.discard(stage);
    expect(files()).toEqual([]);
  });

  it.each([
    ['rows', { applyTransactionRowsMax: 3 }],
    ['bytes', { applyTransactionBytesMax: 100 }],
  ])('keeps in a file what will be applied in parts: by %s', async (_what, limits) => {
    const { store } = makeStore(limits);
    const receiver = store.receive();
    receiver.push(stream);
    const { id } = await receiver.finish();
    expect(rowsOf(store.resume(id))).toEqual(EXPECTED);
  });

  it('resumes no stage that has been damaged meanwhile', async () => {
    const { store, folder } = makeStore({ applyTransactionRowsMax: 1 });
    const receiver = store.receive();
    receiver.push(stream);
    const { id } = await receiver.finish();
    truncateSync(join(folder, `stage-${id}`), stream.length - 1);
    expect(() => store.resume(id)).toThrow(expect.objectContaining({ code: 'batch-damaged' }));
  });

  it('makes nothing of a stream that breaks off, wherever it does', async () => {
    const { store, files } = makeStore({ stageMemoryBytesMax: 300 });
    for (let length = 0; length < stream.length; length += 13) {
      const receiver = store.receive();
      receiver.push(stream.subarray(0, length));
      await expect(receiver.finish()).rejects.toThrow(expect.objectContaining({ code: 'batch-damaged' }));
      receiver.discard();
    }
    expect(files()).toEqual([]);
  });

  it('refuses a stream that is too long as soon as it is', () => {
    const { store } = makeStore({ streamBytesMax: 500 });
    const receiver = store.receive();
    expect(() => {
      for (const piece of pieces(100)) receiver.push(piece);
    }).toThrow(expect.objectContaining({ code: 'batch-oversized' }));
    expect(receiver.received).toBe(600);
  });

  it('never writes over a file that is there', async () => {
    const { store, folder } = makeStore({ stageMemoryBytesMax: 1 });
    writeFileSync(join(folder, 'stage-0'), 'another’s');
    expect(() => store.receive().push(stream)).toThrow(/EEXIST/);
    expect(existsSync(join(folder, 'stage-0'))).toBe(true);
  });
});
