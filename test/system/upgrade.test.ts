/** `start` on a file of the format before: backed up, upgraded, and gone on with. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { OperationReport } from '../../src/operations/list-operations.js';
import { FORMAT_VERSION } from '../../src/replication/metadata-schema.js';
import type { ProcessNode } from '../support/process-node.js';
import { backupsIn, besideFile, formatsIn, recordedNode } from './recorded-node.js';

const digest = ({ path }: ProcessNode) => createHash('sha256').update(readFileSync(path)).digest('hex');

it('backs the file up beside it, once, says where, and serves it', async () => {
  const node = await recordedNode();
  const found = await node.status();
  expect(found.databases[0]).toMatchObject({ formatVersion: 1, tables: null });
  expect(found.problems).toContainEqual(
    expect.objectContaining({ code: 'format-older', command: expect.stringContaining('sqlsync start') }),
  );
  const { exitCode, stdout } = await node.run(['sync', '--json']);
  expect([exitCode, JSON.parse(stdout).error.code]).toEqual([65, 'format-older']);
  await node.start();
  const [name = ''] = backupsIn(besideFile(node));
  const backup = join(besideFile(node), name);
  expect(node.complaints).toContainEqual(
    expect.objectContaining({
      level: 'warn',
      msg: `${node.path} is upgraded from format 1 to 2; as it was before it is in ${backup}`,
    }),
  );
  const { databases } = await node.status();
  expect(databases[0]).toMatchObject({
    formatVersion: FORMAT_VERSION,
    conflictsOpen: 2,
    quarantined: 1,
    heldRows: 4,
    lastBackup: expect.any(String),
  });
  const { items } = (await node.succeed(['operations'])) as { items: OperationReport[] };
  expect(items).toContainEqual(
    expect.objectContaining({
      command: 'sqlsync start',
      node: 'lyon',
      detail: { upgraded: { from: 1, to: 2 }, backup },
    }),
  );
  await node.end('SIGTERM');
  await node.start();
  await node.end('SIGTERM');
  expect(backupsIn(besideFile(node))).toEqual([name]);
});

it('backs it up where backups go, and leaves the file alone where it cannot', async () => {
  const node = await recordedNode();
  const to = join(node.folder, 'backups');
  writeFileSync(to, 'no folder');
  node.edit((config) => ({ ...config, backup: { to } }));
  const before = digest(node);
  for (let tries = 0; tries < 2; tries += 1) {
    const { exitCode, stdout } = await node.run(['start', '--json']);
    const { error } = JSON.parse(stdout);
    expect([exitCode, error.code]).toEqual([69, 'backup-store']);
    expect(error.message).toContain('is not upgraded, since it cannot be backed up before');
    expect(error.hint).toContain('backup.to');
    expect(digest(node)).toBe(before);
  }
  rmSync(to);
  await node.start();
  expect(backupsIn(to)).toHaveLength(1);
  expect(await node.succeed(['backup', 'list'])).toMatchObject({
    total: 1,
    items: [{ database: 'shop', node: 'lyon' }],
  });
  expect(existsSync(besideFile(node))).toBe(false);
  expect(formatsIn(node)).toEqual([FORMAT_VERSION]);
});
