import { randomBytes } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { limitsSchema } from '../../../src/config-limits.js';
import { ApplyQueue } from '../../../src/daemon/database/apply-queue.js';
import { LockedFile } from '../../../src/daemon/file/locked-file.js';
import { SideDirectory } from '../../../src/daemon/file/side-directory.js';
import type { StreamStage } from '../../../src/daemon/stream/stage.js';
import { StageStore } from '../../../src/daemon/stream/stage-store.js';
import { SqlsyncError } from '../../../src/errors.js';
import { EngineCluster, type EngineNode, stageOf } from '../../support/engine-node.js';

const cluster = new EngineCluster('CREATE TABLE t(id INTEGER PRIMARY KEY, v)', 2);
afterEach(() => cluster.close());

test('a stage that cannot be applied does not keep the node from settling', async () => {
  const [a, b] = cluster.nodes as [EngineNode, EngineNode];
  a.app.exec('INSERT INTO t VALUES(1, 2)');
  cluster.settleDown();
  a.foldAll();
  b.pull(a);
  a.pull(b);
  const limits = limitsSchema.parse({});
  const stages = new StageStore(SideDirectory.open(b.path), limits, { hex: (n) => randomBytes(n).toString('hex') });
  const file = new LockedFile(b.path, limits);
  const queue = new ApplyQueue({ replica: b.replica, stages, file, onApplied: () => {}, onAbandoned: () => {} });
  const batches = () => {
    throw new SqlsyncError('batch-damaged', 'the stage cannot be read');
  };
  const stage = { ...stageOf(a, b.hello()), rows: 1, batches } as unknown as StreamStage;
  await expect(queue.apply(stage)).rejects.toThrow(expect.objectContaining({ code: 'batch-damaged' }));

  b.replica.acknowledge(a.hello());
  expect(b.replica.status().unsettledRows).toBe(1);
  while (b.replica.settle().more);
  expect(b.replica.status().unsettledRows).toBe(0);
});
