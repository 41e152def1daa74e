/** An application is migrated on one node, and later on the other, while both daemons run. */
import { expect, it, vi } from 'vitest';
import { untilEqual } from '../support/compare-files.js';
import { soon, startPair, write } from './start-nodes.js';

it('rows that the other cannot hold yet wait there, who must migrate is named, and the rest goes on', async () => {
  const { hub, east } = await startPair();
  write(hub, `CREATE TABLE plain(k TEXT PRIMARY KEY, v)`);
  write(east, `CREATE TABLE plain(k TEXT PRIMARY KEY, v)`);
  for (const node of [hub, east]) await node.succeed(['init', node.path]);
  write(hub, `INSERT INTO item VALUES(1, 'before', NULL)`);
  await untilEqual([hub, east], soon.timeout);

  write(hub, `ALTER TABLE item ADD COLUMN price REAL DEFAULT 1.5`);
  write(hub, `UPDATE item SET price = 2.5; INSERT INTO item VALUES(2, 'after', NULL, 3.5)`);
  write(hub, `INSERT INTO plain VALUES('k', 'goes on')`);
  await vi.waitFor(async () => {
    const status = await east.status();
    expect(status.databases[0]).toMatchObject({ heldRows: 2, schemaBehind: ['east'] });
    expect(status.problems).toMatchObject([{ code: 'schema-differs', severity: 'error' }]);
    expect(status.problems[0]?.message).toContain('item from hub (missing here: price: run');
  }, soon);
  await vi.waitFor(async () => {
    const status = await hub.status();
    expect(status.databases[0]).toMatchObject({ heldRows: 0, schemaBehind: ['east'] });
    expect(status.problems).toMatchObject([{ code: 'schema-differs', severity: 'warning' }]);
  }, soon);
  write(east, `INSERT INTO plain VALUES('l', 'both ways')`);
  write(east, `INSERT INTO item VALUES(3, 'of the old shape', NULL)`);
  await vi.waitFor(async () => expect((await hub.peer('east')).rowsReceived).toBeGreaterThanOrEqual(2), soon);

  write(east, `ALTER TABLE item ADD COLUMN price REAL DEFAULT 1.5`);
  const contents = await untilEqual([hub, east], soon.timeout);
  expect(contents.get('item')).toHaveLength(3);
  expect(contents.get('plain')).toHaveLength(2);
  await vi.waitFor(async () => {
    for (const node of [hub, east])
      expect((await node.status()).databases[0]).toMatchObject({ heldRows: 0, schemaBehind: [] });
  }, soon);
});
