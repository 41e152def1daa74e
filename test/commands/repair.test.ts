import Sqlite from 'better-sqlite3';
import { expect, test, vi } from 'vitest';
import type { RepairReport } from '../../src/operations/verify-report.js';
import { writeUnseen } from '../support/compare-engines.js';
import type { ProcessNode } from '../support/process-node.js';
import { joinHub, names, soon, startHub, untilState, write } from '../system/start-nodes.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 180_000 });

function unseen(node: ProcessNode, sql: string): void {
  const app = new Sqlite(node.path, { timeout: 30_000 });
  try {
    writeUnseen({ app }, () => app.exec(sql));
  } finally {
    app.close();
  }
}

function read(node: ProcessNode, sql: string): unknown[] {
  const db = new Sqlite(node.path, { readonly: true, timeout: 30_000 });
  try {
    return db.prepare(sql).pluck().all();
  } finally {
    db.close();
  }
}

test('a repair makes all members agree, keeps what it replaces, and is entered among the operations', async () => {
  const hub = await startHub();
  const east = await (await joinHub(hub, 'east')).start();
  const west = await (await joinHub(hub, 'west')).start();
  write(hub, "INSERT INTO item(name) VALUES('a'), ('b'), ('c')");
  for (const node of [east, west]) await vi.waitFor(() => expect(names(node)).toEqual(['a', 'b', 'c']), soon);
  unseen(east, "UPDATE item SET name = 'astray' WHERE id = 1; DELETE FROM item WHERE id = 2");

  const unasked = await east.run(['repair', 'hub', '--use', 'there']);
  expect(unasked).toMatchObject({ exitCode: 2, stdout: '' });
  expect(unasked.stderr).toMatch(/2 rows of item differ: shall they be as hub has them/);
  const dry = (await east.succeed(['repair', 'hub', '--use', 'there', '--dry-run'])) as RepairReport;
  expect(dry).toMatchObject({
    name: 'hub',
    use: 'there',
    dryRun: true,
    equal: false,
    differencesTotal: 2,
    rowsWritten: 0,
  });
  expect(names(east)).toEqual(['astray', 'c']);

  const there = await east.succeed(['repair', 'hub', '--use', 'there', '--table', 'item', '--yes']);
  expect(there).toMatchObject({ dryRun: false, equal: true, differencesTotal: 0, rowsWritten: 2, error: null });
  expect(names(east)).toEqual(['a', 'b', 'c']);

  unseen(east, "UPDATE item SET name = 'right' WHERE id = 3");
  await untilState(hub, 'east', 'online');
  // The hub is repaired from its side: over the connection that east has dialed.
  expect(await hub.succeed(['repair', 'east', '--use', 'there', '-y'])).toMatchObject({ equal: true, rowsWritten: 1 });
  unseen(hub, "UPDATE item SET data = x'00' WHERE id = 1");
  expect(await hub.succeed(['repair', 'east', '--use', 'here', '-y'])).toMatchObject({ equal: true, rowsWritten: 1 });
  for (const node of [hub, east, west]) {
    await vi.waitFor(() => expect(names(node)).toEqual(['a', 'b', 'right']), soon);
    await vi.waitFor(() => expect(read(node, 'SELECT hex(data) FROM item WHERE id = 1')).toEqual(['00']), soon);
    const lost = () =>
      read(node, "SELECT loser ->> '$.row.name' FROM _sqlsync_conflict WHERE strategy = 'repair' ORDER BY 1");
    await vi.waitFor(() => expect(lost()).toEqual([null, 'a', 'astray', 'c']), soon);
    const commands = () =>
      read(
        node,
        "SELECT node || ': ' || command || ' ' || result FROM _sqlsync_operation WHERE command LIKE 'repair%' ORDER BY at",
      );
    await vi.waitFor(
      () =>
        expect(commands()).toEqual([
          'east: repair hub --table item --use there done',
          'hub: repair east --use there done',
          'hub: repair east --use here done',
        ]),
      soon,
    );
  }
  expect(await west.succeed(['repair', 'hub', '--use', 'here'])).toMatchObject({ equal: true, rowsWritten: 0 });
  for (const node of [hub, east, west]) expect(node.complaints).toEqual([]);
});

test('without a daemon the node repairs by itself', async () => {
  const hub = await startHub();
  const east = await joinHub(hub, 'east');
  write(hub, "INSERT INTO item(name) VALUES('a')");
  await east.succeed(['sync']);
  unseen(east, "UPDATE item SET name = 'right'");
  expect(await east.succeed(['repair', 'hub', '--use', 'here', '--yes'])).toMatchObject({
    equal: true,
    rowsWritten: 1,
  });
  expect(names(hub)).toEqual(['right']);
  expect(read(east, "SELECT command FROM _sqlsync_operation WHERE command LIKE 'repair%'")).toEqual([
    'repair hub --use here',
  ]);
  // What it replaced can be looked at, and taken back, like what any conflict lost.
  const [id] = read(east, 'SELECT id FROM _sqlsync_conflict') as [string];
  expect((await east.run(['conflicts', 'show', id])).stdout).toContain('and no write told of it');
  await east.succeed(['conflicts', 'resolve', id, '--use', 'loser']);
  expect(names(east)).toEqual(['a']);
  await hub.end('SIGTERM');
  expect(await east.run(['repair', 'hub', '--use', 'here', '--yes'])).toMatchObject({ exitCode: 69 });
});
