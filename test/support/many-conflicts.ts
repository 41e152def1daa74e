/**
 * An operator after a long partition: thousands of conflicts in a file, looked at page by page, counted, rehearsed and
 * resolved by filter, while the application goes on writing. Every command is a process of its own, timed whole.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConflictSummary, ResolveReport } from '../../src/operations/conflict-report.js';
import type { ConflictPage } from '../../src/operations/read-conflicts.js';
import { EngineCluster, type EngineNode } from './engine-node.js';
import { passMillisecond } from './operator.js';
import { runCli } from './run-cli.js';

const SCHEMA = 'CREATE TABLE product(sku INTEGER PRIMARY KEY, name TEXT, price REAL, stock INTEGER)';
const NAME = 'Assam, second flush, 100 g, from the upper Brahmaputra';

export interface Timed<Document> {
  readonly document: Document;
  readonly exitCode: number | null;
  readonly tookMs: number;
}

export interface ManyConflicts {
  readonly page: Timed<ConflictPage>;
  readonly secondPage: Timed<ConflictPage>;
  readonly summary: Timed<ConflictSummary>;
  readonly rehearsal: Timed<ResolveReport>;
  readonly resolution: Timed<ResolveReport>;
  /** Prices that are not what was decided: of the rows that somebody wrote meanwhile. */
  readonly pricesLeft: unknown[];
  /** Do both nodes hold the same once they have exchanged what was decided? */
  readonly isEqual: boolean;
}

/** @param edited keys of rows that the application writes between the rehearsal and the real thing */
export async function resolveMany(count: number, edited: readonly number[]): Promise<ManyConflicts> {
  const cluster = new EngineCluster(SCHEMA, 2);
  const [a, b] = cluster.nodes as [EngineNode, EngineNode];
  try {
    part(cluster, count);
    writeFileSync(join(cluster.directory, 'n0.yml'), 'node: n0\ndatabases: [{ name: shop, path: n0.db }]\n');
    const run = <Document>(...args: string[]) => timed<Document>(cluster.directory, args);
    const page = await run<ConflictPage>('conflicts');
    const next = page.document.nextCursor ?? '';
    const secondPage = await run<ConflictPage>('conflicts', '--cursor', next);
    const summary = await run<ConflictSummary>('conflicts', 'summary');
    const all = ['conflicts', 'resolve', '--all', '--table', 'product', '--use', 'loser'];
    const rehearsal = await run<ResolveReport>(...all, '--dry-run');
    a.app.exec(`UPDATE product SET price = -1 WHERE sku IN (${edited.join(', ')})`);
    const resolution = await run<ResolveReport>(...all, '--yes');
    const pricesLeft = a.app.prepare('SELECT price FROM product WHERE price <> sku + 1').pluck().all();
    cluster.settleDown();
    const isEqual = JSON.stringify(a.data()) === JSON.stringify(b.data());
    return { page, secondPage, summary, rehearsal, resolution, pricesLeft, isEqual };
  } finally {
    cluster.close();
  }
}

/** Both nodes change the price of every product, the second later. */
function part(cluster: EngineCluster, count: number): void {
  const [a, b] = cluster.nodes as [EngineNode, EngineNode];
  a.app.exec(`WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO product SELECT i, '${NAME}', i, 10 FROM n`);
  cluster.settleDown();
  a.app.exec('UPDATE product SET price = sku + 1, stock = stock - 1');
  passMillisecond();
  b.app.exec('UPDATE product SET price = sku + 2');
  cluster.settleDown();
}

async function timed<Document>(cwd: string, args: readonly string[]): Promise<Timed<Document>> {
  const startedMs = performance.now();
  const { stdout, stderr, exitCode } = await runCli([...args, '-c', 'n0.yml', '--json'], { cwd });
  const tookMs = Math.round(performance.now() - startedMs);
  if (stdout === '') throw new Error(stderr);
  return { document: JSON.parse(stdout) as Document, exitCode, tookMs };
}
