/** What operators did: entered where it was done, told on every node. */
import { expect, onTestFinished, test, vi } from 'vitest';
import type { OperationReport } from '../../src/operations/list-operations.js';
import type { Page } from '../../src/page.js';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { makeShop } from '../support/shop-database.js';
import { until } from '../support/until.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

async function operationsOf(node: ProcessNode, args: string[] = []): Promise<Page<OperationReport>> {
  return (await node.succeed(['operations', ...args])) as Page<OperationReport>;
}

/** `node: what was typed`, without flags. */
const typedIn = ({ items }: Page<OperationReport>) =>
  items.map(({ node, command }) => `${node}: ${command.replace(/^(.*?) (\/|http|-).*$/, '$1')}`);

test('who did what, where and when is told on every node, newest first', async () => {
  const folder = makeFolder();
  const paris = await ProcessNode.first(folder, 'paris', (path) => makeShop(path));
  onTestFinished(() => paris.dispose());
  await paris.start();
  const lyon = await ProcessNode.joining(paris, 'lyon');
  onTestFinished(() => lyon.dispose());
  await lyon.start();
  await lyon.succeed(['peers', 'pause', 'paris']);
  await lyon.succeed(['peers', 'resume', 'paris']);
  // What changes nothing is no operation.
  await paris.succeed(['init', paris.path]);

  const everything = ['lyon: peers resume paris', 'lyon: peers pause paris', 'lyon: join', 'paris: init'];
  await until(
    async () => ((await operationsOf(paris)).total === everything.length ? true : null),
    20_000,
    () => 'paris has not heard of all',
  );
  const page = await operationsOf(paris);
  expect(typedIn(page)).toEqual(everything);
  expect(page.items.at(-1)).toMatchObject({
    id: expect.stringMatching(/^[0-9a-f]{32}$/),
    at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    operator: expect.any(String),
    result: 'done',
    detail: { added: ['product', 'sale'] },
  });
  expect(page.items[2]).toMatchObject({ detail: { peer: 'paris', replaced: false } });
  expect(await operationsOf(lyon)).toEqual(page);

  expect((await paris.run(['operations'])).stdout).toMatch(/^\S+Z +lyon +\S+ +done +peers resume paris/m);
  const run = await paris.run(['operations', '--since', 'yesterday', '--json']);
  expect([run.exitCode, JSON.parse(run.stdout).error.code]).toEqual([2, 'usage']);
});
