import Sqlite from 'better-sqlite3';
import { expect, test, vi } from 'vitest';
import type { VerifyReport } from '../../src/operations/verify-report.js';
import { writeUnseen } from '../support/compare-engines.js';
import { differencesBetween, readContents } from '../support/compare-files.js';
import type { ProcessNode } from '../support/process-node.js';
import { joinHub, names, soon, startHub, startPair, untilState, write } from '../system/start-nodes.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 180_000 });

/** Writes on a connection that fires no triggers. */
function unseen(node: ProcessNode, sql: string, ...parameters: unknown[]): void {
  const app = new Sqlite(node.path, { timeout: 30_000 });
  try {
    writeUnseen({ app }, () => app.prepare(sql).run(parameters));
  } finally {
    app.close();
  }
}

async function verify(
  node: ProcessNode,
  ...args: string[]
): Promise<{ exitCode: number | null; report: VerifyReport }> {
  const { exitCode, stdout } = await node.run(['verify', ...args, '--json']);
  return { exitCode, report: JSON.parse(stdout) as VerifyReport };
}

const ROWS =
  'WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO item(name) SELECT i FROM n';

test('two nodes are equal, or the rows that differ are named; over HTTP, live, and without a daemon', async () => {
  const { hub, east } = await startPair();
  write(hub, ROWS);
  await untilState(hub, 'east', 'online');
  const equal = await verify(east);
  expect(equal).toMatchObject({ exitCode: 0, report: { equal: true, reason: null } });
  expect(equal.report.peers).toMatchObject([
    { name: 'hub', equal: true, differencesTotal: 0, truncated: false, tables: [{ name: 'item', rows: 3000 }] },
  ]);
  unseen(hub, 'UPDATE item SET data = ? WHERE id = 5', 0.0);
  unseen(east, 'UPDATE item SET data = ? WHERE id = 5', -0.0);
  unseen(east, 'DELETE FROM item WHERE id = 2999');
  const expected = [
    { key: { id: 5 }, there: { id: 5, name: 5, data: { $real: '-0.0' } } },
    { key: { id: 2999 }, here: { id: 2999 }, there: null },
  ];
  // The hub has no URL of east's: it asks over the connection that east has dialed.
  const fromHub = await verify(hub, 'east', '--table', 'item');
  expect(fromHub).toMatchObject({ exitCode: 1, report: { equal: false, reason: null } });
  expect(fromHub.report.peers[0]).toMatchObject({
    differencesTotal: 2,
    tables: [{ equal: false, differences: expected }],
  });
  await east.end('SIGTERM');
  const alone = await verify(east);
  expect(alone).toMatchObject({ exitCode: 1, report: { equal: false } });
  expect(alone.report.peers[0]?.tables[0]?.differences.map(({ key }) => key)).toEqual([{ id: 5 }, { id: 2999 }]);
  const text = await east.run(['verify']);
  expect(text.stdout).toMatch(/hub: 2 rows differ[\s\S]*item id=5\n {4}here {2}data=\{"\$real":"-0.0"\}/);
  expect(text.stderr).toBe('');
  const absent = await verify(hub, 'east');
  expect(absent).toMatchObject({ exitCode: 69, report: { equal: null } });
  expect(absent.report.peers[0]?.error?.code).toBe('peer-unreachable');
  expect(await hub.run(['verify', 'nobody'])).toMatchObject({ exitCode: 2 });
  expect(await hub.run(['verify', 'east', '--table', 'nothing'])).toMatchObject({ exitCode: 69 });
  expect(differencesBetween(['hub', 'east'], [readContents(hub.path), readContents(east.path)])).not.toEqual([]);
});

test('under writes on both sides nodes are equal or not known, never different', async () => {
  const { hub, east } = await startPair();
  write(hub, ROWS);
  await vi.waitFor(() => expect(names(east)).toHaveLength(3000), soon);
  const apps = [hub, east].map(({ path }) => new Sqlite(path, { timeout: 30_000 }));
  let writes = 0;
  const timer = setInterval(() => {
    writes += 1;
    for (const app of apps) app.prepare('UPDATE item SET data = ? WHERE id = ?').run(writes, 1 + (writes % 3000));
    apps[0]?.prepare('INSERT INTO item(name) VALUES(?)').run(`new ${writes}`);
  }, 5);
  try {
    const { exitCode, report } = await verify(east);
    expect(report.peers[0]?.tables[0]?.differences).toEqual([]);
    expect([0, 75]).toContain(exitCode);
    expect(report.equal).toBe(exitCode === 0 ? true : null);
  } finally {
    clearInterval(timer);
    for (const app of apps) app.close();
  }
  expect(writes).toBeGreaterThan(10);
  expect(await verify(east)).toMatchObject({ exitCode: 0 });
});

test('several peers, one down: 69, with what is known of each', async () => {
  const hub = await startHub();
  const east = await (await joinHub(hub, 'east')).start();
  const west = await (await joinHub(hub, 'west')).start();
  await untilState(hub, 'east', 'online');
  await untilState(hub, 'west', 'online');
  expect(await verify(hub)).toMatchObject({ exitCode: 0, report: { equal: true } });
  await west.end('SIGKILL');
  await untilState(hub, 'west', 'offline');
  const { exitCode, report } = await verify(hub);
  expect(exitCode).toBe(69);
  expect(report.peers.map(({ name, equal, error }) => [name, equal, error?.code ?? null]).sort()).toEqual([
    ['east', true, null],
    ['west', null, 'peer-unreachable'],
  ]);
  expect(report.equal).toBe(null);
  await east.end('SIGTERM');
});
