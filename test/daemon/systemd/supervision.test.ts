import { once } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { missingPrograms, nameWithout } from '../../support/installed-program.js';
import { makeFolder } from '../../support/make-folder.js';
import { listenForNotify, type NotifyListener } from '../../support/notify-listener.js';
import { spawnDaemon } from '../launch-daemon.js';
import { TestNode } from '../node.js';

const soon = { interval: 5, timeout: 20_000 };
const missing = missingPrograms('systemd-notify', 'python3');

const signsOf = ({ messages }: NotifyListener) => messages.filter((message) => message.includes('WATCHDOG=1')).length;
const told = ({ messages }: NotifyListener, assignment: string) =>
  messages.find((message) => message.includes(assignment));

/** A node with rows for many small steps, and another that lacks them. */
async function pairWithCatchUp() {
  const paris = await TestNode.first(makeFolder(), 'paris').start();
  const lyon = await TestNode.joining(paris, 'lyon', { listens: false });
  paris.application.transaction(() => {
    for (let id = 1; id <= 2_000; id += 1) paris.insert(id, `row ${id}`);
  })();
  const limits = { applyTransactionRowsMax: 100, lockHoldMsMax: 1, lockGapMs: 1, lockWaitMsMax: 100 };
  return { lyon, options: { peers: [paris.asPeer], limits } };
}

// Without these programs nothing can be sent, or nothing received.
describe.skipIf(missing !== null)(nameWithout('what systemd is told', missing), () => {
  it('ready, reloading with the time of it, ready again with what was kept, stopping; nothing without a socket', async () => {
    const listener = await listenForNotify();
    const paris = TestNode.first(makeFolder(), 'paris');
    const { child, log } = await spawnDaemon(paris, {}, { NOTIFY_SOCKET: listener.path });
    await vi.waitFor(() => expect(listener.messages).toHaveLength(1), soon);
    expect(listener.messages[0]).toEqual(['READY=1', 'STATUS=serves shop; 0 of 0 peers in touch']);

    const beforeUsec = process.hrtime.bigint() / 1000n;
    child.kill('SIGHUP');
    await vi.waitFor(() => expect(listener.messages).toHaveLength(3), soon);
    const [, reloading, ready] = listener.messages;
    expect(reloading).toEqual(['RELOADING=1', expect.stringMatching(/^MONOTONIC_USEC=\d+$/)]);
    const atUsec = BigInt(reloading?.[1]?.split('=')[1] ?? 0);
    expect(atUsec).toBeGreaterThanOrEqual(beforeUsec);
    expect(atUsec).toBeLessThanOrEqual(process.hrtime.bigint() / 1000n);
    expect(ready).toEqual(['READY=1', 'STATUS=kept the old configuration: a bad file']);

    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    await vi.waitFor(() => expect(listener.messages.at(-1)).toEqual(['STOPPING=1', 'STATUS=drains']), soon);
    expect(log()).not.toContain('systemd');
  });

  it('that it is alive while it works, with a status that follows its peers', async () => {
    const listener = await listenForNotify();
    const { lyon, options } = await pairWithCatchUp();
    const environment = { NOTIFY_SOCKET: listener.path, WATCHDOG_USEC: '600000' };
    await spawnDaemon(lyon, options, environment);
    await vi.waitFor(() => expect(told(listener, 'STATUS=serves shop; 1 of 1 peer in touch')).toBeDefined(), soon);
    await vi.waitFor(() => expect(lyon.names()).toHaveLength(2_000), soon);
    const before = signsOf(listener);
    await vi.waitFor(() => expect(signsOf(listener)).toBeGreaterThan(before + 2), soon);
  });

  it('nothing more once an apply hangs, though the rest of the daemon goes on', async () => {
    const listener = await listenForNotify();
    const { lyon, options } = await pairWithCatchUp();
    const environment = { NOTIFY_SOCKET: listener.path, WATCHDOG_USEC: '600000', HANG: 'apply' };
    const { log } = await spawnDaemon(lyon, options, environment);
    await vi.waitFor(() => expect(log()).toContain('an apply does not get on'), soon);
    const signs = signsOf(listener);
    const control = await lyon.control();
    const untilMs = performance.now() + 1_000;
    while (performance.now() < untilMs) expect((await control.status()).databases).toHaveLength(1);
    expect(signsOf(listener)).toBe(signs);
  });

  it('no sign of life when the watchdog waits for another process', async () => {
    const listener = await listenForNotify();
    const paris = TestNode.first(makeFolder(), 'paris');
    const environment = { NOTIFY_SOCKET: listener.path, WATCHDOG_USEC: '30000', WATCHDOG_PID: '1' };
    const { child } = await spawnDaemon(paris, {}, environment);
    child.kill('SIGTERM');
    await vi.waitFor(() => expect(told(listener, 'STOPPING=1')).toBeDefined(), soon);
    expect(signsOf(listener)).toBe(0);
  });

  it('a socket that is gone, and a program that is not there, keep nothing from working', async () => {
    const paris = TestNode.first(makeFolder(), 'paris');
    const gone = await spawnDaemon(paris, {}, { NOTIFY_SOCKET: '/nowhere/notify.sock' });
    await vi.waitFor(() => expect(gone.log()).toContain('systemd cannot be told'), soon);
    gone.child.kill('SIGTERM');
    expect(await once(gone.child, 'exit')).toEqual([0, null]);
    const bare = await spawnDaemon(paris, {}, { NOTIFY_SOCKET: '/nowhere/notify.sock', PATH: '/nowhere' });
    await vi.waitFor(() => expect(bare.log()).toContain('systemd cannot be told'), soon);
    bare.child.kill('SIGTERM');
    expect(await once(bare.child, 'exit')).toEqual([0, null]);
  });
});
