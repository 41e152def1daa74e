/** A node to which others come, and which dials nobody, falls behind: both sides say so, and what they say leads out. */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, test, vi } from 'vitest';
import { untilEqual } from '../support/compare-files.js';
import { freePort, type ProcessNode } from '../support/process-node.js';
import { names, soon, startPair, untilState, write } from './start-nodes.js';

function isSettled({ path }: ProcessNode): boolean {
  const db = new Sqlite(path, { readonly: true });
  const rows = db.prepare('SELECT count(*) FROM _sqlsync_meta_10').pluck().get();
  db.close();
  return rows === 0;
}

test('a stale node that only listens says that it is stale, and both name the command and where to type it', async () => {
  const { hub, east } = await startPair();
  write(hub, `INSERT INTO item(id, name) VALUES(1, 'tea'), (2, 'coffee')`);
  const { path } = (await hub.succeed(['backup', '--to', join(hub.folder, 'backups')])) as { path: string };
  write(hub, `UPDATE item SET name = 'green tea' WHERE id = 1; DELETE FROM item WHERE id = 2`);
  await vi.waitFor(() => expect(names(east)).toEqual(['green tea']), soon);
  await vi.waitFor(() => expect([isSettled(hub), isSettled(east)]).toEqual([true, true]), { ...soon, timeout: 40_000 });
  await hub.end('SIGTERM');
  await hub.succeed(['restore', path, hub.path, '--as', 'rejoin', '--yes']);
  write(hub, `INSERT INTO item(id, name) VALUES(3, 'milk')`);
  await hub.start();

  await untilState(east, 'hub', 'stale');
  await untilState(hub, 'east', 'stale');
  const here = await hub.status();
  expect(here.healthy).toBe(false);
  expect(here.problems).toMatchObject([
    { code: 'stale', peer: 'east', message: expect.stringContaining('hub lacks changes'), command: 'sqlsync rejoin' },
  ]);
  expect((await hub.run(['explain'])).stdout).toContain('sqlsync rejoin');
  const [there] = (await east.status()).problems;
  expect(there).toMatchObject({ code: 'stale', message: expect.stringContaining('on hub: sqlsync rejoin') });

  await hub.end('SIGTERM');
  const refused = await hub.run(['rejoin']);
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain('sqlsync peers add NAME=URL');
  expect(refused.stderr).toContain('there: sqlsync init DB --listen HOST:PORT');
  const address = `127.0.0.1:${await freePort()}`;
  expect(await east.run(['init', east.path, '--listen', address])).toMatchObject({ exitCode: 0 });
  await east.end('SIGTERM');
  await east.start();
  expect(await hub.run(['peers', 'add', `east=http://${address}`])).toMatchObject({ exitCode: 0 });
  expect(await hub.run(['rejoin'])).toMatchObject({ exitCode: 0 });
  await hub.start();
  await untilEqual([hub, east], 15_000);
  expect(names(hub)).toEqual(['green tea', 'milk']);
  for (const node of [hub, east])
    await vi.waitFor(async () => expect((await node.status()).problems).toEqual([]), soon);
});
