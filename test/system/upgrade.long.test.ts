/** An upgrade that is killed, gone back on, and gone on with between nodes. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { FORMAT_VERSION } from '../../src/replication/metadata-schema.js';
import { readContents } from '../support/compare-files.js';
import { makeFolder } from '../support/make-folder.js';
import type { ProcessNode } from '../support/process-node.js';
import { backupsIn, besideFile, formatsIn, recordedNode } from './recorded-node.js';
import { soon, write } from './start-nodes.js';

/** Starts the daemon and kills it once `isDue` says so, if it has not come to serve before. */
async function startAndKill(node: ProcessNode, isDue: () => boolean): Promise<void> {
  const starting = node.start().catch(() => {});
  await vi.waitFor(() => expect(isDue()).toBe(true), { interval: 1, timeout: 20_000 });
  await node.end('SIGKILL');
  await starting;
}

it('killed anywhere it leaves one format or the other, and no more than one backup', async () => {
  const node = await recordedNode();
  const saysSo = () => node.log.some(({ msg }) => msg.startsWith('backs '));
  const hasCopy = () => existsSync(join(`${node.path}.sqlsync`, 'snapshot-upgrade'));
  const isMade = () =>
    existsSync(join(`${node.path}.sqlsync`, 'upgrade.json')) || formatsIn(node)[0] === FORMAT_VERSION;
  for (const isDue of [saysSo, () => hasCopy() || isMade(), isMade, isMade]) {
    await startAndKill(node, isDue);
    expect(formatsIn(node)).toHaveLength(1);
    write(node, 'INSERT INTO item(name) VALUES(1)');
  }
  await node.start();
  expect(formatsIn(node)).toEqual([FORMAT_VERSION]);
  expect(backupsIn(besideFile(node))).toHaveLength(1);
  expect(
    readdirSync(`${node.path}.sqlsync`).filter((name) => name.startsWith('snapshot-') || name === 'upgrade.json'),
  ).toEqual([]);
  expect(readContents(node.path).get('item')).toHaveLength(4 + 4);
  expect(await node.status()).toMatchObject({ databases: [{ conflictsOpen: 2, quarantined: 1 }] });
}, 120_000);

it('two that are upgraded go on with each other', async () => {
  const folder = makeFolder();
  const [paris, lyon] = [await recordedNode('paris', folder), await recordedNode('lyon', folder)];
  await lyon.succeed(['peers', 'add', `paris=${paris.url}`]);
  await paris.start();
  await lyon.start();
  write(lyon, 'ALTER TABLE item ADD COLUMN colour TEXT');
  write(paris, `UPDATE item SET name = 'kettle' WHERE id = 2`);
  // Of the other tables lyon has none, or takes not all.
  const shared = ({ path }: ProcessNode) => ['item', 'stock'].map((table) => readContents(path).get(table));
  await vi.waitFor(() => expect(shared(paris)).toEqual(shared(lyon)), soon);
  expect(readContents(paris.path).get('item')).toHaveLength(4);
  expect(await lyon.peer('paris')).toMatchObject({ lastError: null });
}, 120_000);

it('what it was before is to be had again, and is upgraded once more where it goes on as a node', async () => {
  const node = await recordedNode();
  const before = readContents(node.path);
  await node.start();
  await node.end('SIGTERM');
  const [name = ''] = backupsIn(besideFile(node));
  const backup = join(besideFile(node), name);
  expect(await node.succeed(['backup', 'verify', backup])).toMatchObject({ ok: true });
  write(node, 'DELETE FROM item');
  const copy = join(node.folder, 'copy.db');
  await node.succeed(['restore', backup, copy, '--as', 'copy']);
  await node.succeed(['restore', backup, node.path, '--as', 'rejoin', '--yes']);
  for (const path of [copy, node.path]) expect(readContents(path)).toEqual(before);
  expect(formatsIn(node)).toEqual([FORMAT_VERSION]);
  await node.start();
  expect(backupsIn(besideFile(node))).toEqual([name]);
}, 120_000);
