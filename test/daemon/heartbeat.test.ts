import { appendFileSync, chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Heartbeat } from '../../src/daemon/heartbeat.js';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';

const soon = { timeout: 5_000, interval: 10 };

async function watch() {
  const state = { calls: 0, status: 200 };
  const server = createServer((_request, response) => {
    state.calls += 1;
    response.writeHead(state.status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { state, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/a-secret-path` };
}

function begin(url: string, status: { healthy: boolean }) {
  const lines: string[] = [];
  const problem = { code: 'disk-low', severity: 'error' } as never;
  const heartbeat = new Heartbeat({
    everyMs: 10,
    readUrl: () => url,
    readStatus: async () => ({ healthy: status.healthy, problems: status.healthy ? [] : [problem] }),
    logger: pino({}, { write: (line: string) => void lines.push(JSON.parse(line).msg) }),
  }).start();
  onTestFinished(() => heartbeat.stop());
  return { heartbeat, lines };
}

test('is sent while all is well, is silent otherwise, and says once when that changes', async () => {
  const { state, url } = await watch();
  const status = { healthy: true };
  const { lines } = begin(url, status);
  await vi.waitFor(() => expect(state.calls).toBeGreaterThan(3), soon);
  status.healthy = false;
  await vi.waitFor(() => expect(lines).toHaveLength(2), soon);
  const { calls } = state;
  status.healthy = true;
  await vi.waitFor(() => expect(state.calls).toBeGreaterThan(calls), soon);
  await vi.waitFor(() => expect(lines).toHaveLength(3), soon);
  expect(lines[1]).toBe('no heartbeat is sent, since this node is unhealthy: disk-low');
  expect(lines[2]).toBe(lines[0]);
});

test('an address that does not answer well is told of, without its path, and tried again', async () => {
  const { state, url } = await watch();
  state.status = 500;
  const { lines } = begin(url, { healthy: true });
  await vi.waitFor(() => expect(lines).toEqual(['no heartbeat could be sent: it answers with HTTP status 500']), soon);
  state.status = 204;
  await vi.waitFor(() => expect(lines).toHaveLength(2), soon);
  const nobody = begin('http://127.0.0.1:1/a-secret-path', { healthy: true });
  await vi.waitFor(() => expect(nobody.lines[0]).toMatch(/^no heartbeat could be sent: .*ECONNREFUSED/), soon);
  expect(nobody.lines.join()).not.toContain('secret');
});

test('stops', async () => {
  const [first, second] = [await watch(), await watch()];
  const { heartbeat } = begin(first.url, { healthy: true });
  await vi.waitFor(() => expect(first.state.calls).toBeGreaterThan(0), soon);
  heartbeat.stop();
  const { calls } = first.state;
  begin(second.url, { healthy: true });
  await vi.waitFor(() => expect(second.state.calls).toBeGreaterThan(5), soon);
  // One may have been on its way.
  expect(first.state.calls - calls).toBeLessThan(2);
});

test('a daemon sends it, and goes on when the address is exchanged; a file that others can read is refused', async () => {
  const [first, second] = [await watch(), await watch()];
  const node = await ProcessNode.first(makeFolder(), 'paris', (path) => {
    const db = new Sqlite(path);
    db.exec('CREATE TABLE item(id TEXT PRIMARY KEY)');
    db.close();
  });
  const urlFile = join(node.folder, 'heartbeat.url');
  appendFileSync(
    node.configFile,
    'health: { heartbeatUrlFile: ./heartbeat.url, heartbeatEvery: 1s, diskFreeBytesMin: null }\n',
  );
  writeFileSync(urlFile, `${first.url}\n`);
  expect(await node.run(['start'])).toMatchObject({ exitCode: 77, stderr: expect.stringContaining('others can read') });
  chmodSync(urlFile, 0o600);
  await node.start();
  onTestFinished(() => node.dispose());
  await vi.waitFor(() => expect(first.state.calls).toBeGreaterThan(0), { timeout: 20_000 });
  writeFileSync(urlFile, second.url);
  await vi.waitFor(() => expect(second.state.calls).toBeGreaterThan(0), { timeout: 20_000 });
}, 60_000);
