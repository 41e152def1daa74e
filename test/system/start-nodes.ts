/** Nodes of a test, gone when it is over; and the small database that most of them keep. */
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, vi } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { type ConfigChange, ProcessNode } from '../support/process-node.js';
import { TcpProxy } from '../support/tcp-proxy.js';

// Processes take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

/** How long a test waits for what must come about. */
export const soon = { interval: 20, timeout: 15_000 };

const SCHEMA = 'CREATE TABLE item(id INTEGER PRIMARY KEY, name, data)';

export function makeItems(path: string): void {
  const db = new Sqlite(path);
  db.pragma('journal_mode = wal');
  db.exec(SCHEMA);
  db.close();
}

/** The first node of a data set, its daemon running. */
export async function startHub(
  change?: ConfigChange,
  makeDatabase = makeItems,
  initFlags: readonly string[] = [],
): Promise<ProcessNode> {
  const hub = await ProcessNode.first(makeFolder(), 'hub', makeDatabase, change, initFlags);
  onTestFinished(() => hub.dispose());
  return hub.start();
}

/** A member that only dials; its daemon does not run yet. */
export async function joinHub(hub: ProcessNode, name: string, change: ConfigChange = {}): Promise<ProcessNode> {
  const node = await ProcessNode.joining(hub, name, { change });
  onTestFinished(() => node.dispose());
  return node;
}

/** A hub and one member that dials it, both daemons running. */
export async function startPair(change: ConfigChange = {}): Promise<{ hub: ProcessNode; east: ProcessNode }> {
  const hub = await startHub();
  const east = await joinHub(hub, 'east', change);
  return { hub, east: await east.start() };
}

/** A network between a hub and whoever dials it through the proxy's URL. */
export async function proxyTo(hub: ProcessNode): Promise<TcpProxy> {
  const proxy = await TcpProxy.to(hub.port ?? 0);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** What an application does in between: one transaction on a connection of its own. */
export function write(node: ProcessNode, sql: string): void {
  const db = new Sqlite(node.path, { timeout: 30_000 });
  try {
    db.transaction(() => db.exec(sql)).immediate();
  } finally {
    db.close();
  }
}

export function names(node: ProcessNode): unknown[] {
  const db = new Sqlite(node.path, { readonly: true, timeout: 30_000 });
  try {
    return db.prepare('SELECT name FROM item ORDER BY id').pluck().all();
  } finally {
    db.close();
  }
}

/** Waits until the node says so of its link to a peer. */
export async function untilState(node: ProcessNode, peer: string, state: string): Promise<void> {
  await vi.waitFor(async () => expect((await node.peer(peer)).state).toBe(state), soon);
}
