/** Writes that triggers have missed, met by a change of another node to the same row before anybody has compared them. */
import { afterEach, describe, expect, test } from 'vitest';
import { EngineCluster, type EngineNode } from '../support/engine-node.js';

let cluster: EngineCluster;
afterEach(() => cluster.close());

/** Two nodes that both have the row, of which the metadata is still there, or settled. */
function pair(isSettled: boolean): [EngineNode, EngineNode] {
  cluster = new EngineCluster('CREATE TABLE item(k TEXT PRIMARY KEY, a, b)', 2);
  const [here, there] = cluster.nodes as [EngineNode, EngineNode];
  there.app.exec("INSERT INTO item VALUES('x', 0, 0)");
  cluster.settleDown();
  if (isSettled) for (let i = 0; i < 5; i += 1) cluster.settleDown();
  return [here, there];
}

/** The table is made anew, as migrations do, and written to before anybody has looked at it. */
function rebuild({ app }: EngineNode, then: string): void {
  app.exec(`BEGIN; CREATE TABLE item_new(k TEXT PRIMARY KEY, a, b); INSERT INTO item_new SELECT * FROM item;
    DROP TABLE item; ALTER TABLE item_new RENAME TO item; COMMIT; ${then}`);
}

const rows = ({ app }: EngineNode) => app.prepare('SELECT * FROM item').raw().all();

describe.each([
  ['unsettled', false],
  ['settled', true],
])('a row that is %s', (_, isSettled) => {
  test('keeps what was written unseen in other columns than those that come', () => {
    const [here, there] = pair(isSettled);
    rebuild(here, 'UPDATE item SET a = 1');
    there.app.exec('UPDATE item SET b = 2');
    cluster.settleDown();
    expect(rows(here)).toEqual([['x', 1, 2]]);
    expect(rows(there)).toEqual([['x', 1, 2]]);
  });

  test('takes what comes where nothing was written unseen', () => {
    const [here, there] = pair(isSettled);
    rebuild(here, '');
    there.app.exec('UPDATE item SET a = 1, b = 2');
    cluster.settleDown();
    expect(rows(here)).toEqual([['x', 1, 2]]);
    expect(rows(there)).toEqual([['x', 1, 2]]);
    expect(here.app.prepare('SELECT count(*) FROM _sqlsync_log WHERE tbl >= 10').pluck().get()).toBe(0);
  });
});
