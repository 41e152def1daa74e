/** Gaps of capture between nodes of this process: how they come about, and how they are closed. */
import type { ComparisonAnswers } from '../../src/daemon/compare/comparison-answers.js';
import { closeGap } from '../../src/daemon/compare/treatment.js';
import type { Replica } from '../../src/replication/replica.js';
import { answersOf, compareEngines } from './compare-engines.js';
import type { EngineNode } from './engine-node.js';

/** Drops the triggers of a table, writes, and leaves it to the engine to find out. */
export function writeWithoutTriggers({ app }: EngineNode, sql: string, table = 10): void {
  for (const event of ['insert', 'update', 'delete']) app.exec(`DROP TRIGGER IF EXISTS _sqlsync_${table}_${event}`);
  app.exec(sql);
}

/** As a daemon does with a peer that is in touch. Says whether the gap is closed. */
export async function closeGapWith(
  here: EngineNode,
  there: EngineNode,
  options: { readonly waitMsMax?: number } = {},
): Promise<boolean> {
  here.foldAll();
  const { comparison } = here.replica;
  const gap = { here: comparison.gap.tables, there: there.replica.comparison.gap.tables };
  const { mark } = comparison.gap;
  const compared = await compareEngines(here, there, { ...options, treat: (sides) => closeGap(sides, gap) });
  const isEqual = compared.isWhole && compared.tables.every(({ differing }) => differing === 0);
  const rowsWritten = compared.tables.reduce((sum, { written }) => sum + written, 0);
  const hasMissed = gap.here.some((name) => gap.there.includes(name));
  const answer = await keptAnswersOf(there).answer({ kind: 'hello', hello: here.hello() });
  const covered = answer.kind === 'hello' ? answer.covered : [];
  const peer = { nodeId: there.replica.nodeId, hasMissed, covered };
  return isEqual && keptAnswersOf(here).closeGap(mark, { peer: there.name, rowsWritten }, peer);
}

/** Which peers a node has been compared with is known to its process. */
const answers = new WeakMap<Replica, ComparisonAnswers>();

function keptAnswersOf(node: EngineNode): ComparisonAnswers {
  const kept = answers.get(node.replica) ?? answersOf(node);
  answers.set(node.replica, kept);
  return kept;
}

export interface ToldConflict {
  readonly key: unknown;
  readonly kind: string;
  readonly strategy: string;
  readonly columns: readonly string[];
  readonly winner: unknown;
  readonly loser: unknown;
  readonly certain: boolean | null;
}

/** The conflict records of a node, in the order of their rows: each side as the values of its row. */
export function toldConflicts({ app }: EngineNode): ToldConflict[] {
  const rows = app.prepare('SELECT * FROM _sqlsync_conflict ORDER BY key, kind').all() as Record<string, string>[];
  const valuesOf = (side = '{}') => {
    const { row } = JSON.parse(side) as { row: object | null };
    return row === null ? null : Object.values(row);
  };
  return rows.map(({ key = '', kind = '', strategy = '', columns = '', winner, loser, detail }) => ({
    key: Object.values(JSON.parse(key) as object)[0],
    kind,
    strategy,
    columns: JSON.parse(columns) as string[],
    winner: valuesOf(winner),
    loser: valuesOf(loser),
    certain: detail ? ((JSON.parse(detail) as { gap?: { certain: boolean } }).gap?.certain ?? null) : null,
  }));
}
