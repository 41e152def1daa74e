/** What a running daemon takes over of its configuration on SIGHUP, and what it says of the rest. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { parse } from 'yaml';
import type { ProcessNode } from '../support/process-node.js';
import { soon, startHub } from './start-nodes.js';

const optimised = ({ log }: ProcessNode) => log.filter(({ msg }) => msg === 'statistics are up to date').length;

async function startReceiver() {
  const calls: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    calls.push(request.url);
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { calls, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test('schedules and the heartbeat change under a running daemon, and a file with a mistake changes nothing', async () => {
  const hub = await startHub();
  const { calls, url } = await startReceiver();
  for (const name of ['first', 'second']) writeFileSync(join(hub.folder, name), `${url}/${name}\n`, { mode: 0o600 });
  const beats = (heartbeatUrlFile: string) => ({ heartbeatUrlFile, heartbeatEvery: '1s', diskFreeBytesMin: null });

  hub.edit((config) => ({ ...config, optimise: { schedule: '* * * * * *' }, health: beats('first') }));
  await hub.reload();
  await vi.waitFor(() => expect(optimised(hub)).toBeGreaterThan(0), soon);
  await vi.waitFor(() => expect(calls).toContain('/first'), soon);

  const whole = readFileSync(hub.configFile, 'utf8');
  writeFileSync(hub.configFile, whole.replace('"* * * * * *"', '"at noon"').replace('* * * * * *', 'at noon'));
  await hub.reload('kept the old configuration');
  expect(hub.log.at(-1)).toMatchObject({ code: 'config-invalid', msg: expect.stringContaining('optimise.schedule') });
  const { length } = hub.log;
  await vi.waitFor(
    () => expect(hub.log.slice(length).map(({ msg }) => msg)).toContain('statistics are up to date'),
    soon,
  );

  writeFileSync(hub.configFile, whole);
  hub.edit(({ optimise: _gone, ...config }) => ({ ...config, health: beats('second') }));
  await hub.reload();
  const runs = optimised(hub);
  const firstBeats = calls.filter((call) => call === '/first').length;
  // Two beats last a second: what ran every second would have run again.
  await vi.waitFor(() => expect(calls.filter((call) => call === '/second').length).toBeGreaterThan(2), soon);
  expect(optimised(hub)).toBeLessThanOrEqual(runs + 1);
  expect(calls.filter((call) => call === '/first').length).toBeLessThanOrEqual(firstBeats + 1);
  expect(hub.log.filter(({ level }) => level === 'warn')).toEqual([]);
});

test('keys that need a restart are named in the log and in the status, until it comes', async () => {
  const hub = await startHub();
  const { listen } = parse(readFileSync(hub.configFile, 'utf8')) as { listen: string };
  hub.configure({ limits: { pollMs: 111 } });
  hub.edit((config) => ({ ...config, admin: { listen: '127.0.0.1:1' } }));
  await hub.reload();
  await vi.waitFor(() => {
    expect(hub.complaints).toMatchObject([
      { level: 'warn', code: 'restart-needed', msg: 'needs a restart: admin.listen, limits.pollMs' },
    ]);
  }, soon);
  const { healthy, problems } = await hub.status();
  expect(healthy).toBe(true);
  expect(problems).toMatchObject([
    { code: 'restart-needed', message: expect.stringContaining('admin.listen, limits.pollMs') },
  ]);
  hub.edit(({ admin: _gone, ...config }) => ({ ...config, listen }));
  await hub.end('SIGTERM');
  await hub.start();
  expect((await hub.status()).problems).toEqual([]);
});
