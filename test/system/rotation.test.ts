import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { expect, test, vi } from 'vitest';
import { untilEqual } from '../support/compare-files.js';
import type { ProcessNode } from '../support/process-node.js';
import { names, soon, startPair, untilState, write } from './start-nodes.js';

const NEW_SECRET = 'a new secret that all nodes will share';

function setSecrets(node: ProcessNode, lines: readonly string[]): void {
  writeFileSync(join(node.folder, 'secret'), `${lines.join('\n')}\n`, { mode: 0o600 });
  process.kill(node.pid, 'SIGHUP');
}

const reloads = (node: ProcessNode) => node.log.filter(({ msg }) => msg === 'configuration reloaded').length;

/** One write on each node, that has to be on both in time. */
async function exchange(nodes: readonly ProcessNode[], step: string): Promise<void> {
  for (const node of nodes) write(node, `INSERT INTO item(id, name) VALUES(${nextId(node)}, '${step}')`);
  await vi.waitFor(() => {
    for (const node of nodes) expect(names(node).filter((name) => name === step)).toHaveLength(2);
  }, soon);
}

let steps = 0;
function nextId(node: ProcessNode): number {
  steps += 1;
  return node.name === 'hub' ? steps : 1000 + steps;
}

test('the shared secret is exchanged on one node after the other, while both write, and nothing is missed', async () => {
  const { hub, east } = await startPair();
  const nodes = [hub, east];
  await untilState(east, 'hub', 'online');
  const old = readFileSync(join(hub.folder, 'secret'), 'utf8').trim();
  const ending = new AbortController();
  let written = 0;
  const writing = (async () => {
    for (; !ending.signal.aborted; written += 1) {
      write(nodes[written % 2] as ProcessNode, `INSERT INTO item(id, name) VALUES(${10_000 + written}, 'busy')`);
      await delay(10);
    }
  })();
  for (const [i, node] of nodes.entries()) {
    setSecrets(node, [NEW_SECRET, old]);
    await vi.waitFor(() => expect(reloads(node)).toBe(1), soon);
    await exchange(nodes, `both known on ${i + 1}`);
  }
  for (const [i, node] of nodes.entries()) {
    setSecrets(node, [NEW_SECRET]);
    await vi.waitFor(() => expect(reloads(node)).toBe(2), soon);
    await exchange(nodes, `old gone on ${i + 1}`);
  }
  ending.abort();
  await writing;
  const contents = await untilEqual(nodes, 30_000);
  expect(contents.get('item')).toHaveLength(written + 8);
  for (const node of nodes) expect(node.complaints).toEqual([]);
  const ask = async (secret: string) =>
    (await request(`${hub.url}/v1/changes?after=x`, { headers: { authorization: `Bearer ${secret}` } })).statusCode;
  expect([await ask(old), await ask(NEW_SECRET)]).toEqual([401, 400]);
});
