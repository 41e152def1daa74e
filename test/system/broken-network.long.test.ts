/** Networks that break off in mid-stream, or trickle: nothing half arrives, and everything arrives in the end. */
import { describe, expect, it, vi } from 'vitest';
import { untilEqual } from '../support/compare-files.js';
import { joinHub, names, proxyTo, soon, startHub, untilState, write } from './start-nodes.js';

const EQUAL_MS_MAX = 15_000;
/** What gzip cannot make smaller: some 400 kB on the wire. */
const ROWS = 200;
const MANY_ROWS = `
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
  INSERT INTO item SELECT i, 'row ' || i, randomblob(2000) FROM n`;
/** From the first byte of an answer to the last part of the stream. */
const CUTS = [1, 300, 3_000, 30_000, 100_000, 300_000];
const NOT_LIVE = { live: false, schedule: null };
const everything = { databases: [], peers: [] };

async function behindProxy(peer: object, limits: Record<string, number> = {}) {
  const hub = await startHub({ limits });
  const proxy = await proxyTo(hub);
  const east = await joinHub(hub, 'east', { peer: { url: proxy.url, ...peer }, limits });
  return { hub, proxy, east: await east.start() };
}

describe('a connection that is cut', () => {
  it.each([
    ['pulling', 'server'],
    ['pushing', 'client'],
  ] as const)('while %s, after any number of bytes, changes nothing', async (_what, of) => {
    const { hub, proxy, east } = await behindProxy(NOT_LIVE);
    const [sender, receiver] = of === 'server' ? [hub, east] : [east, hub];
    write(sender, MANY_ROWS);
    const control = await east.control();
    for (const cutAfterBytes of CUTS) {
      proxy.fault = { of, cutAfterBytes };
      const [result] = await control.sync(everything);
      expect(result?.error?.code, `cut after ${cutAfterBytes} bytes`).toBe('peer-unreachable');
      expect(names(receiver)).toEqual([]);
    }
    expect(proxy.faults).toBeGreaterThanOrEqual(CUTS.length);
    proxy.fault = {};
    expect(await control.sync(everything)).toMatchObject([{ error: null }]);
    await untilEqual([hub, east], 0);
    expect(names(receiver)).toHaveLength(ROWS);
  });

  it('while it is live is made again, and what was cut comes whole', async () => {
    const { hub, proxy, east } = await behindProxy({ schedule: null });
    await untilState(east, 'hub', 'online');
    for (const cutAfterBytes of CUTS) {
      const before = proxy.faults;
      proxy.fault = { cutAfterBytes };
      proxy.cutAll();
      if (cutAfterBytes === CUTS[0]) write(hub, MANY_ROWS);
      await vi.waitFor(() => expect(proxy.faults).toBeGreaterThan(before + 1), soon);
      expect(names(east)).toEqual([]);
    }
    proxy.fault = {};
    await untilEqual([hub, east], EQUAL_MS_MAX);
    expect(names(east)).toHaveLength(ROWS);
  });
});

describe('a peer that sends byte by byte', () => {
  const impatient = { idleTimeoutMs: 1_000, heartbeatMs: 300 };

  it.each([
    ['pulling', 'server'],
    ['pushing', 'client'],
  ] as const)('while %s is given up, and nothing has changed', async (_what, of) => {
    const { hub, proxy, east } = await behindProxy(NOT_LIVE, impatient);
    const [sender, receiver] = of === 'server' ? [hub, east] : [east, hub];
    write(sender, MANY_ROWS);
    proxy.fault = { of, trickleAfterBytes: 30_000 };
    const [result] = await (await east.control()).sync(everything);
    expect(result?.error?.code).toBe('peer-timeout');
    expect(names(receiver)).toEqual([]);
    proxy.fault = {};
    expect(await (await east.control()).sync(everything)).toMatchObject([{ error: null }]);
    expect(names(receiver)).toHaveLength(ROWS);
  });

  it('while it is live is given up and dialed again', async () => {
    const { hub, proxy, east } = await behindProxy({ schedule: null }, impatient);
    await untilState(east, 'hub', 'online');
    proxy.fault = { trickleAfterBytes: 30_000 };
    write(hub, MANY_ROWS);
    await vi.waitFor(async () => expect((await east.peer('hub')).lastError?.code).toBe('peer-timeout'), soon);
    expect(names(east)).toEqual([]);
    proxy.fault = {};
    await untilEqual([hub, east], EQUAL_MS_MAX);
  });
});
