/** Orphans of a catch-up: judged when it is whole, in bounded steps, whatever interrupts it; nothing is settled before. */
import { describe, expect, test } from 'vitest';
import { type EngineNode, stageOf } from '../support/engine-node.js';
import { expectAlike, makeNodes, recordsOf, rowsOf, settleAll } from '../support/orphans.js';

const SCHEMA = `CREATE TABLE parent(id INTEGER PRIMARY KEY, code UNIQUE, v);
  CREATE TABLE child(id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent, code REFERENCES parent(code));
  CREATE TABLE grandchild(id INTEGER PRIMARY KEY, c INTEGER REFERENCES child)`;
const SMALL = { applyTransactionRowsMax: 1, lockHoldMsMax: 0, foldEntriesMax: 3 };
const PARENTS = 12;

/** One node writes children and their children, the other deletes all parents. */
function apart(orphan: string) {
  const made = makeNodes(SCHEMA, { rules: { '*': { orphan } }, limits: SMALL });
  const [a, b] = made.nodes;
  const ids = Array.from({ length: PARENTS }, (_, i) => i + 1);
  a.app.exec(`INSERT INTO parent VALUES${ids.map((id) => `(${id}, 'c${id}', 'v${id}')`).join(',')}`);
  settleAll(made.cluster);
  a.app.exec(`INSERT INTO child VALUES${ids.map((id) => `(${id}, ${id}, 'c${id}')`).join(',')}`);
  a.app.exec(`INSERT INTO grandchild VALUES${ids.map((id) => `(${id}, ${id})`).join(',')}`);
  b.app.exec('DELETE FROM parent');
  return made;
}

function applyPart(to: EngineNode, from: EngineNode, steps: number): void {
  const application = to.replica.beginApply(stageOf(from, to.hello()));
  for (let step = 0; step < steps && !application.step().done; step += 1);
}

function restart(node: EngineNode): void {
  node.kill();
  node.open();
}

describe.each(['keep', 'delete', 'restore-parent'])('%s', (orphan) => {
  const expected = {
    keep: { children: PARENTS, parents: 0, records: 2 * PARENTS },
    delete: { children: 0, parents: 0, records: 3 * PARENTS },
    'restore-parent': { children: PARENTS, parents: PARENTS, records: 2 * PARENTS },
  }[orphan];

  test.each([1, 8, 20, 23, 24, 30, 1000])('cut short after %i steps', (steps) => {
    const { cluster, nodes } = apart(orphan);
    const [a, b] = nodes;
    applyPart(a, b, steps);
    expect(recordsOf(a).length).toBeLessThanOrEqual(expected?.records ?? 0);
    restart(a);
    applyPart(a, b, steps / 2);
    restart(a);
    settleAll(cluster);
    expectAlike(cluster);
    const count = (table: string) => rowsOf(b, `SELECT count(*) FROM ${table}`).flat()[0];
    expect({ children: count('child'), parents: count('parent'), records: recordsOf(b).length }).toEqual(expected);
  });
});

test('a catch-up judges nothing before it is whole, and the node that has it settles nothing before it has judged', () => {
  const { nodes } = apart('keep');
  const [a, b] = nodes;
  a.foldAll();
  const application = a.replica.beginApply(stageOf(b, a.hello()));
  while (!application.step().done) {
    if (a.replica.isCatchingUp) expect(recordsOf(a)).toEqual([]);
  }
  expect(a.replica.hasUnfolded()).toBe(true);
  const judged = recordsOf(a).length;
  expect(judged).toBeLessThan(2 * PARENTS);
  a.replica.acknowledge({ ...b.hello(), vector: { ...b.hello().vector, ...a.hello().vector } });
  a.replica.settle();
  expect(a.hello().horizon).toBeLessThan(Math.max(...Object.values(b.hello().vector)));
  a.foldAll();
  expect(recordsOf(a)).toHaveLength(2 * PARENTS);
});

test('what a refused commit takes back is looked for again', () => {
  const { cluster, nodes } = apart('restore-parent');
  const [a, b] = nodes;
  a.app.exec('DELETE FROM grandchild');
  a.foldAll();
  const exec = a.writer.exec.bind(a.writer);
  let refusals = 30;
  a.writer.exec = ((sql: string) => {
    if (sql === 'COMMIT' && refusals-- > 0 && refusals % 2 === 0) throw new Error('refused');
    return exec(sql);
  }) as typeof exec;
  const application = a.replica.beginApply(stageOf(b, a.hello()));
  for (let done = false; !done; ) {
    try {
      done = application.step().done;
    } catch (error) {
      expect((error as Error).message).toBe('refused');
    }
  }
  a.writer.exec = exec;
  settleAll(cluster);
  expectAlike(cluster);
  expect(rowsOf(b, 'SELECT count(*) FROM parent')).toEqual([[PARENTS]]);
});
