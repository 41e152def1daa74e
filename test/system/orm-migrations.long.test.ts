/**
 * Real migrations of ORMs on a live pair: create, edit, alter, edit again, unmodified, on one node after the other. What a
 * migration does to the triggers is seen and put back, what was written in between is found, and no step is an operator's.
 */
import Sqlite from 'better-sqlite3';
import { describe, expect, test, vi } from 'vitest';
import { inspectCapture } from '../../src/replication/inspect-capture.js';
import { differencesBetween, type FileContents, readContents, withReader } from '../support/compare-files.js';
import { DJANGO } from '../support/orm/django.js';
import { DRIZZLE } from '../support/orm/drizzle.js';
import { KNEX } from '../support/orm/knex.js';
import { SEQUELIZE } from '../support/orm/sequelize.js';
import { TYPEORM } from '../support/orm/typeorm.js';
import type { ProcessNode } from '../support/process-node.js';
import { joinHub, startHub, write } from './start-nodes.js';

vi.setConfig({ testTimeout: 120_000 });

/** Closing a gap takes a comparison with the peer. */
const EQUAL_MS_MAX = 40_000;

function makeEmpty(path: string): void {
  const db = new Sqlite(path);
  db.pragma('journal_mode = wal');
  db.close();
}

/** What an application does in the shape of each step. */
const EDITS = {
  1: (
    name: string,
  ) => `INSERT INTO customers(id, name, age, email) VALUES('${name}-1', 'one', 1, '${name}@one'), ('${name}-2', 'two', 2, NULL);
    INSERT INTO orders(id, customer_id, total) VALUES('${name}-1', '${name}-1', 1.5), ('${name}-2', '${name}-2', 2);
    UPDATE customers SET age = 3 WHERE id = '${name}-2'; DELETE FROM orders WHERE id = '${name}-2'`,
  2: (name: string) => `UPDATE customers SET label = 'changed by ${name}' WHERE id = '${name}-1';
    INSERT INTO customers(id, label, city) VALUES('${name}-3', 'three', '${name}'); UPDATE customers SET age = 'old' WHERE id = '${name}-2';
    INSERT INTO orders(id, customer_id, total) VALUES('${name}-3', '${name}-3', 3)`,
};

const TABLES = ['customers', 'orders'];

/** What migration tools keep for themselves differs, and has to. */
function contentsOf(node: ProcessNode): FileContents {
  return new Map([...readContents(node.path)].filter(([table]) => TABLES.includes(table)));
}

/** The daemon puts the triggers back as soon as it sees that they are gone. */
async function untilCaptured(node: ProcessNode): Promise<void> {
  const isWhole = () => withReader(node.path, (db) => inspectCapture(db).complete);
  await vi.waitFor(() => expect(isWhole()).toBe(true), { interval: 20, timeout: EQUAL_MS_MAX });
}

/** Both files are equal, and nobody has to do anything. */
async function untilWell(nodes: readonly ProcessNode[]): Promise<FileContents> {
  const names = nodes.map(({ name }) => name);
  const contents = () => nodes.map(contentsOf);
  const options = { interval: 100, timeout: EQUAL_MS_MAX };
  await vi.waitFor(() => expect(differencesBetween(names, contents())).toEqual([]), options);
  await vi.waitFor(async () => {
    for (const node of nodes) {
      const { problems, databases } = await node.status();
      expect([problems, databases[0]?.tableCoverage, databases[0]?.tables]).toEqual([[], [], TABLES.length]);
    }
  }, options);
  expect(differencesBetween(names, contents())).toEqual([]);
  return contents()[0] as FileContents;
}

async function startEmptyPair(): Promise<readonly [ProcessNode, ProcessNode]> {
  const hub = await startHub({}, makeEmpty);
  return [hub, await (await joinHub(hub, 'east')).start()];
}

describe.each([KNEX, SEQUELIZE, TYPEORM, DRIZZLE, DJANGO].map((orm) => [orm.name, orm] as const))('%s', (_, orm) => {
  // Django is Debian's package.
  test.skipIf(orm.missing !== null)('create, edit, alter, edit again', async () => {
    const nodes = await startEmptyPair();
    for (const node of nodes) {
      await orm.migrate(node.path, 1);
      write(node, EDITS[1](node.name));
    }
    const before = await untilWell(nodes);
    expect([before.get('customers')?.length, before.get('orders')?.length]).toEqual([4, 2]);
    for (const node of nodes) {
      await orm.migrate(node.path, 2);
      await untilCaptured(node);
      write(node, EDITS[2](node.name));
    }
    const after = await untilWell(nodes);
    expect([after.get('customers')?.length, after.get('orders')?.length]).toEqual([6, 4]);
    for (const { name } of nodes) expect(after.get('customers')?.join()).toContain(`changed by ${name}`);
  });
});

test('what is written before the triggers are back, on both nodes, is there or among the conflicts', async () => {
  const nodes = await startEmptyPair();
  for (const node of nodes) {
    await KNEX.migrate(node.path, 1);
    write(node, EDITS[1](node.name));
  }
  await untilWell(nodes);
  for (const node of nodes) {
    await KNEX.migrate(node.path, 2);
    write(node, EDITS[2](node.name));
  }
  const after = await untilWell(nodes);
  const conflicts = JSON.stringify(await nodes[0].succeed(['conflicts']));
  for (const { name } of nodes) expect(after.get('customers')?.join() + conflicts).toContain(`changed by ${name}`);
});
