import { randomBytes } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { makeFolder } from '../../support/make-folder.js';
import { TestNode } from '../node.js';

const all = { databases: [], peers: [] };

/** Two nodes that exchange only when they are told to. */
async function pair(peer: object = {}) {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
  await lyon.start({ peers: [{ ...paris.asPeer, live: false, ...peer }] });
  return { paris, lyon, control: await lyon.control() };
}

/** A proxy to `port` that cuts the connection once so many bytes have passed to the client. */
async function cuttingProxy(port: number) {
  const state = { bytesMax: Number.POSITIVE_INFINITY };
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = connect(port, '127.0.0.1');
    let passed = 0;
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on('error', () => {});
    }
    client.pipe(target);
    target.on('data', (piece) => {
      passed += piece.length;
      client.write(piece.subarray(0, Math.max(0, piece.length - Math.max(0, passed - state.bytesMax))));
      if (passed > state.bytesMax) client.destroy();
    });
    target.on('close', () => client.destroy());
    client.on('close', () => target.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { state, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('an exchange over HTTP', () => {
  it('brings both sides what they lack, once', async () => {
    const { paris, lyon, control } = await pair();
    paris.insert(1, 'from paris');
    lyon.insert(2, 'from lyon');
    const [first] = await control.sync(all);
    expect(first).toMatchObject({ database: 'shop', peer: 'paris', rowsSent: 1, rowsReceived: 1, error: null });
    expect([paris.names(), lyon.names()]).toEqual([
      ['from paris', 'from lyon'],
      ['from paris', 'from lyon'],
    ]);
    const [second] = await control.sync(all);
    expect(second).toMatchObject({ rowsSent: 0, rowsReceived: 0, error: null });
  });

  it('runs by schedule', async () => {
    const { paris, lyon } = await pair({ schedule: '* * * * * *' });
    paris.insert(1, 'by schedule');
    await vi.waitFor(() => expect(lyon.names()).toEqual(['by schedule']), { timeout: 5000 });
  });

  it('obeys the direction', async () => {
    const { paris, lyon, control } = await pair({ direction: 'push' });
    paris.insert(1, 'stays in paris');
    lyon.insert(2, 'goes to paris');
    expect(await control.sync(all)).toMatchObject([{ rowsSent: 1, rowsReceived: 0, error: null }]);
    expect(lyon.names()).toEqual(['goes to paris']);
    expect(paris.names()).toEqual(['stays in paris', 'goes to paris']);
  });

  it('tells of a peer that is down, and of one that is not configured', async () => {
    const { paris, control } = await pair();
    await paris.stop();
    expect(await control.sync(all)).toMatchObject([{ error: { code: 'peer-unreachable' } }]);
    await expect(control.sync({ databases: [], peers: ['nobody'] })).rejects.toThrow(
      expect.objectContaining({ code: 'peer-unknown' }),
    );
  });

  it('changes nothing when a pull breaks off, wherever it does, and goes well the next time', async () => {
    const { paris, lyon } = await pair();
    const proxy = await cuttingProxy(paris.daemon?.address?.port ?? 0);
    await lyon.stop();
    await lyon.start({ peers: [{ name: 'paris', url: proxy.url, live: false }] });
    const control = await lyon.control();
    for (let id = 1; id <= 50; id += 1) paris.insert(id, randomBytes(200).toString('hex'));
    for (const bytesMax of [1, 300, 1000, 2000, 4000, 8000, 10_000]) {
      proxy.state.bytesMax = bytesMax;
      const [result] = await control.sync(all);
      expect(['peer-unreachable', 'batch-damaged']).toContain(result?.error?.code);
      expect(lyon.names()).toEqual([]);
    }
    proxy.state.bytesMax = Number.POSITIVE_INFINITY;
    expect(await control.sync(all)).toMatchObject([{ rowsReceived: 50, error: null }]);
    expect(lyon.names()).toEqual(paris.names());
  });

  it('is paused and resumed, also over a restart', async () => {
    const { paris, lyon, control } = await pair({ schedule: '* * * * * *' });
    await control.pause('paris');
    await lyon.stop();
    await lyon.start({ peers: [{ ...paris.asPeer, live: true }] });
    paris.insert(1, 'later');
    expect((await lyon.peer('paris'))?.state).toBe('paused');
    const asked = await (await lyon.control()).sync(all);
    expect(asked).toMatchObject([
      { rowsReceived: 0, error: { code: 'peer-paused', hint: 'sqlsync peers resume paris' } },
    ]);
    expect((await lyon.peer('paris'))?.state).toBe('paused');
    expect(lyon.names()).toEqual([]);
    await (await lyon.control()).resume('paris');
    await vi.waitFor(() => expect(lyon.names()).toEqual(['later']));
  });
});
