/** Two nodes that are written to all the time, while what they know each other by is exchanged under them. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import { untilEqual } from '../support/compare-files.js';
import type { ProcessNode } from '../support/process-node.js';
import { names, soon, write } from './start-nodes.js';

const WRITE_EVERY_MS = 10;

/** A step on one node, after which both must still exchange. */
export interface RotationStep {
  readonly what: string;
  readonly on: ProcessNode;
  /** Changes files; then the node's daemon is told to read them anew. */
  readonly change: () => void;
}

/** Takes the steps one by one. Nothing may be missed, nothing be complained of, and all is on both in the end. */
export async function rotateUnderLoad(nodes: readonly ProcessNode[], steps: readonly RotationStep[]): Promise<void> {
  const ending = new AbortController();
  let written = 0;
  const writing = (async () => {
    for (; !ending.signal.aborted; written += 1) {
      const node = nodes[written % nodes.length] as ProcessNode;
      write(node, `INSERT INTO item(id, name) VALUES(${10_000 + written}, 'busy')`);
      await delay(WRITE_EVERY_MS);
    }
  })();
  let marks = 0;
  try {
    for (const { what, on, change } of steps) {
      change();
      await on.reload();
      for (const node of nodes) {
        marks += 1;
        write(node, `INSERT INTO item(id, name) VALUES(${marks}, '${what}')`);
      }
      await vi.waitFor(() => {
        for (const node of nodes) expect(names(node).filter((name) => name === what)).toHaveLength(nodes.length);
      }, soon);
    }
  } finally {
    ending.abort();
    await writing;
  }
  const contents = await untilEqual(nodes, 30_000);
  expect(contents.get('item')).toHaveLength(written + marks);
  for (const node of nodes) expect(node.complaints).toEqual([]);
}
