/** How a daemon begins and ends: signals, the lock, and going on where it was. */
import { describe, expect, it, vi } from 'vitest';
import { untilEqual } from '../support/compare-files.js';
import { joinHub, names, soon, startHub, startPair, untilState, write } from './start-nodes.js';

const EQUAL_MS_MAX = 15_000;

describe('a daemon', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('drains on %s, exits 0 and lets go of the file', async (signal) => {
    const hub = await startHub();
    write(hub, "INSERT INTO item VALUES (1, 'here', NULL)");
    expect(await hub.end(signal)).toEqual({ code: 0, signal: null });
    expect(hub.log.map(({ msg }) => msg)).toEqual(['started', 'stopping', 'stopped']);
    expect((await hub.status()).running).toBe(false);
    await hub.start();
  });

  it('exits 0 on SIGTERM in the middle of an exchange, which is gone on with later', async () => {
    const { hub, east } = await startPair();
    await untilState(east, 'hub', 'online');
    write(
      hub,
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
       INSERT INTO item SELECT i, 'row ' || i, randomblob(200) FROM n`,
    );
    await vi.waitFor(() => expect(names(east).length).toBeGreaterThan(0), soon);
    expect(await east.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(await hub.end('SIGTERM')).toEqual({ code: 0, signal: null });
    await hub.start();
    await east.start();
    await untilEqual([hub, east], EQUAL_MS_MAX);
    expect(names(east)).toHaveLength(30_000);
  });

  it('keeps a second one off the file, until it is gone by kill -9', async () => {
    const hub = await startHub();
    const second = await hub.run(['start', '--json']);
    expect(second.exitCode).toBe(75);
    expect(JSON.parse(second.stdout)).toMatchObject({ error: { code: 'database-in-use' } });
    const { pid } = hub;
    expect(second.stdout).toContain(String(pid));
    expect((await hub.run(['uninstall', hub.path, '--yes', '--force'])).exitCode).toBe(75);

    await hub.end('SIGKILL');
    expect((await hub.status()).running).toBe(false);
    await hub.start();
    expect(hub.pid).not.toBe(pid);
  });

  it('goes on where it was killed, with what applications wrote meanwhile', async () => {
    const hub = await startHub();
    const east = await (await joinHub(hub, 'east')).start();
    write(hub, "INSERT INTO item VALUES (1, 'before', NULL)");
    await vi.waitFor(() => expect(names(east)).toEqual(['before']), soon);
    await hub.end('SIGKILL');
    await east.end('SIGKILL');
    write(hub, "INSERT INTO item VALUES (2, 'hub alone', NULL)");
    write(east, "INSERT INTO item VALUES (3, 'east alone', NULL); UPDATE item SET name = 'after' WHERE id = 1");
    await east.start();
    await hub.start();
    await vi.waitFor(() => expect(names(hub)).toEqual(['after', 'hub alone', 'east alone']), soon);
    await untilEqual([hub, east], EQUAL_MS_MAX);
    const { rowsReceived } = await hub.peer('east');
    expect(rowsReceived).toBeLessThanOrEqual(3);
  });
});
