import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { expect, test } from 'vitest';
import type { ProcessNode } from '../support/process-node.js';
import { rotateUnderLoad } from './busy-pair.js';
import { startPair, untilState } from './start-nodes.js';

const NEW_SECRET = 'a new secret that all nodes will share';

const setSecrets = (node: ProcessNode, lines: readonly string[]) =>
  writeFileSync(join(node.folder, 'secret'), `${lines.join('\n')}\n`, { mode: 0o600 });

test('the shared secret is exchanged on one node after the other, while both write, and nothing is missed', async () => {
  const { hub, east } = await startPair();
  const nodes = [hub, east];
  await untilState(east, 'hub', 'online');
  const old = readFileSync(join(hub.folder, 'secret'), 'utf8').trim();
  await rotateUnderLoad(nodes, [
    ...nodes.map((on) => ({ on, what: `both known on ${on.name}`, change: () => setSecrets(on, [NEW_SECRET, old]) })),
    ...nodes.map((on) => ({ on, what: `old gone on ${on.name}`, change: () => setSecrets(on, [NEW_SECRET]) })),
  ]);
  const ask = async (secret: string) =>
    (await request(`${hub.url}/v1/changes?after=x`, { headers: { authorization: `Bearer ${secret}` } })).statusCode;
  expect([await ask(old), await ask(NEW_SECRET)]).toEqual([401, 400]);
});
