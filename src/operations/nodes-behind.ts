/** Members whose tables are not what this node's are now: they run the application's migration as well, or have run it already. */

import type { Machine } from './machine.js';
import type { MigrationReport } from './migration-report.js';
import { readReplicaStatus } from './replica-figures.js';
import type { FindDaemon } from './running-daemon.js';

export interface NodesBehindDeps extends Pick<Machine, 'files' | 'now' | 'random'> {
  readonly findDaemon: FindDaemon;
}

/** What a daemon has last heard of each; without one nobody is in touch. */
export async function findNodesBehind(
  path: string,
  schemaHash: string,
  deps: NodesBehindDeps,
): Promise<MigrationReport['behind']> {
  const { files, findDaemon } = deps;
  const replica = files.withSnapshot(path, (db) => readReplicaStatus(db, deps));
  const real = files.locate(path);
  const daemon = await (await findDaemon(real))?.status();
  const peers = daemon?.databases.find((database) => database.path === real)?.peers ?? [];
  return replica.members
    .filter((node) => node !== replica.node)
    .map((node) => ({ node, hash: peers.find(({ name }) => name === node)?.schemaHash ?? null }))
    .filter(({ hash }) => hash !== schemaHash)
    .map(({ node, hash }) => ({ node, known: hash !== null }));
}
