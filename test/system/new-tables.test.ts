/** An application makes tables beside the daemon: they replicate by themselves, or it is said why not. */
import { expect, it, vi } from 'vitest';
import { untilEqual } from '../support/compare-files.js';
import { joinHub, makeItems, soon, startHub, write } from './start-nodes.js';

/** A new table is captured within this time. */
const CAPTURED_MS_MAX = 5_000;

it('new tables replicate within seconds, and what cannot is named', async () => {
  const hub = await startHub({}, makeItems, ['--exclude', 'cache_*']);
  const east = await (await joinHub(hub, 'east')).start();
  write(hub, `CREATE TABLE note(id TEXT PRIMARY KEY NOT NULL, body); INSERT INTO note VALUES('early', 1)`);
  write(hub, 'CREATE TABLE cache_a(id INTEGER PRIMARY KEY); CREATE TABLE django_migrations(id INTEGER PRIMARY KEY)');
  write(hub, `INSERT INTO note VALUES('late', 2)`);
  await vi.waitFor(
    async () => expect((await hub.status()).databases[0]).toMatchObject({ coverage: 'complete', tables: 2 }),
    {
      interval: 50,
      timeout: CAPTURED_MS_MAX,
    },
  );
  expect((await hub.status()).databases[0]?.excludedTables).toEqual(['cache_a', 'django_migrations']);
  await vi.waitFor(async () => expect((await east.status()).databases[0]?.heldRows).toBe(2), soon);
  write(east, `CREATE TABLE note(id TEXT PRIMARY KEY NOT NULL, body); INSERT INTO note VALUES('east', 3)`);
  write(east, 'CREATE TABLE cache_a(id INTEGER PRIMARY KEY); CREATE TABLE django_migrations(id INTEGER PRIMARY KEY)');
  const contents = await untilEqual([hub, east], soon.timeout);
  expect(contents.get('note')).toHaveLength(3);

  write(east, 'CREATE TABLE keyless(a, b)');
  await vi.waitFor(async () => {
    const { databases, problems } = await east.status();
    const reason = expect.stringContaining('no PRIMARY KEY');
    expect(databases[0]).toMatchObject({
      coverage: 'partial',
      tableCoverage: [{ name: 'keyless', coverage: 'partial', reason }],
    });
    expect(problems).toMatchObject([
      {
        code: 'coverage-partial',
        severity: 'error',
        message: expect.stringContaining('keyless (it has no PRIMARY KEY'),
      },
    ]);
  }, soon);
  write(east, 'DROP TABLE keyless');
  await vi.waitFor(async () => expect((await east.status()).problems).toEqual([]), soon);
});
