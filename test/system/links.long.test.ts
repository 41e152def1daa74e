/** What a link to a peer is told to do: when it exchanges, which way, and when to wait. */
import { describe, expect, it, vi } from 'vitest';
import { names, soon, startPair, untilState, write } from './start-nodes.js';

describe('a link', () => {
  it('that is not live exchanges by its schedule alone, both ways', async () => {
    const { hub, east } = await startPair({ peer: { live: false, schedule: '* * * * * *' } });
    write(east, "INSERT INTO item VALUES (1, 'there', NULL)");
    await vi.waitFor(() => expect(names(hub)).toEqual(['there']), soon);
    write(hub, "INSERT INTO item VALUES (2, 'and back', NULL)");
    await vi.waitFor(() => expect(names(east)).toEqual(['there', 'and back']), soon);
    expect(await east.peer('hub')).toMatchObject({ state: 'online', lastError: null });
  });

  it('without live and schedule exchanges only when told', async () => {
    const { hub, east } = await startPair({ peer: { live: false, schedule: null } });
    write(east, "INSERT INTO item VALUES (1, 'waits', NULL)");
    write(hub, "INSERT INTO item VALUES (2, 'waits too', NULL)");
    expect(await east.succeed(['sync'])).toMatchObject({ items: [{ rowsSent: 2, rowsReceived: 1, error: null }] });
    expect([names(hub), names(east)]).toEqual([
      ['waits', 'waits too'],
      ['waits', 'waits too'],
    ]);
    expect(await east.succeed(['sync'])).toMatchObject({ items: [{ rowsSent: 0, rowsReceived: 0, error: null }] });
  });

  it.each([
    ['push', ['of east', 'of hub'], ['of east']],
    ['pull', ['of hub'], ['of east', 'of hub']],
  ])('of direction %s ships one way', async (direction, atHub, atEast) => {
    const { hub, east } = await startPair({ peer: { direction } });
    write(hub, "INSERT INTO item VALUES (2, 'of hub', NULL)");
    write(east, "INSERT INTO item VALUES (1, 'of east', NULL)");
    const all = [atHub, atEast];
    await vi.waitFor(() => expect([names(hub), names(east)]).toEqual(all), soon);
    expect((await east.run(['sync'])).exitCode).toBe(0);
    expect([names(hub), names(east)]).toEqual(all);
    expect((await east.peer('hub')).direction).toBe(direction);
  });

  it('stays paused over a restart, until it is resumed', async () => {
    const { hub, east } = await startPair();
    await untilState(east, 'hub', 'online');
    await (await east.control()).pause('hub');
    await untilState(east, 'hub', 'paused');
    write(hub, "INSERT INTO item VALUES (1, 'waits', NULL)");
    await east.end('SIGTERM');
    await east.start();
    expect((await east.peer('hub')).state).toBe('paused');
    expect(names(east)).toEqual([]);
    await (await east.control()).resume('hub');
    await vi.waitFor(() => expect(names(east)).toEqual(['waits']), soon);
    expect((await east.peer('hub')).state).toBe('online');
  });
});
