/** Peers that go away, come back, or are the wrong ones. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { joinHub, names, soon, startHub, startPair, untilState, write } from './start-nodes.js';

describe('a peer that is down', () => {
  it('is a state, told once, and over when it is back', async () => {
    const { hub, east } = await startPair({ limits: { retryMsMin: 10, retryMsMax: 20 } });
    await untilState(east, 'hub', 'online');
    await hub.end('SIGKILL');
    await untilState(east, 'hub', 'offline');
    const status = await east.status();
    expect(status.problems).toMatchObject([{ code: 'peer-unreachable', severity: 'warning', peer: 'hub' }]);
    expect(status.healthy).toBe(true);
    const sync = await east.run(['sync', '--json']);
    expect(sync.exitCode).toBe(69);
    write(east, "INSERT INTO item VALUES (1, 'meanwhile', NULL)");

    await hub.start();
    await untilState(east, 'hub', 'online');
    await vi.waitFor(() => expect(names(hub)).toEqual(['meanwhile']), soon);
    expect((await east.peer('hub')).lastError).toBeNull();
    expect(east.complaints.map(({ code }) => code)).toEqual(['peer-unreachable']);
  });
});

describe('a peer that is refused', () => {
  it('for a wrong secret: exit 77, and the files stay apart', async () => {
    const hub = await startHub();
    const east = await joinHub(hub, 'east');
    writeFileSync(join(east.folder, 'secret'), 'not what the others have\n');
    write(east, "INSERT INTO item VALUES (1, 'secret', NULL)");
    const sync = await east.run(['sync', '--json']);
    expect(sync.exitCode).toBe(77);
    expect(JSON.parse(sync.stdout)).toMatchObject({ items: [{ peer: 'hub', error: { code: 'peer-wrong-secret' } }] });

    await east.start();
    await untilState(east, 'hub', 'error');
    const { healthy, problems } = await east.status();
    expect([healthy, problems.map(({ code }) => code)]).toEqual([false, ['peer-wrong-secret']]);
    expect((await east.run(['status', '--check'])).exitCode).toBe(1);
    expect(names(hub)).toEqual([]);
    const join77 = await east.run(['join', hub.url, join(east.folder, 'other.db'), '--name', 'other']);
    expect(join77.exitCode).toBe(77);
  });

  it('for being of another data set: exit 65', async () => {
    const hub = await startHub();
    const east = await joinHub(hub, 'east');
    const port = hub.port;
    await hub.end('SIGTERM');
    const other = await startHub();
    east.configure({ peer: { url: other.url } });
    write(other, "INSERT INTO item VALUES (1, 'foreign', NULL)");
    const sync = await east.run(['sync', '--json']);
    expect(sync.exitCode).toBe(65);
    expect(JSON.parse(sync.stdout)).toMatchObject({ items: [{ error: { code: 'dataset-mismatch' } }] });
    expect(names(east)).toEqual([]);
    expect(other.port).not.toBe(port);
  });
});
