/** How many changes of this node's own some peer has not acknowledged, by table: as far as this node has heard. */
import { entryIn } from './acknowledgements.js';
import type { Engine } from './engine.js';
import { OP, PREFIX } from './metadata-schema.js';
import { nodeOf } from './version-vector.js';

/**
 * @param nodeId the peer's; null: nothing has been heard of it
 * @param names of the only tables to look at; null: all
 * @param kept what is safe in another way: session → HLC up to which it is
 */
export function unsentChanges(
  engine: Engine,
  nodeId: string | null,
  names: readonly string[] | null = null,
  kept: Readonly<Record<string, number>> = {},
): Record<string, number> {
  const { state, tables, acknowledgements } = engine;
  const told = (nodeId === null ? undefined : acknowledgements.latest(nodeId)) ?? { vector: {}, horizon: 0 };
  const counts: Record<string, number> = {};
  const unfolded = unfoldedByTable(engine);
  for (const { captured, metadata } of tables.all) {
    if (captured.internal || names?.includes(captured.name) === false) continue;
    let changes = unfolded.get(captured.id) ?? 0;
    metadata.forEachVector((entries) => {
      const isOwn = ({ session }: { readonly session: string }) => nodeOf(session) === state.get('node');
      const has = (session: string) => Math.max(entryIn(told, session), kept[session] ?? 0);
      if (entries.some((entry) => isOwn(entry) && has(entry.session) < entry.hlc)) changes += 1;
    });
    if (changes > 0) counts[captured.name] = changes;
  }
  return counts;
}

function unfoldedByTable({ options, state }: Engine): Map<number, number> {
  const rows = options.writer
    .prepare(
      `SELECT tbl, count(*) FROM ${PREFIX}log WHERE hlc > ? AND op NOT IN (${OP.marker}, ${OP.check}) GROUP BY tbl`,
    )
    .raw()
    .all(state.get('folded'));
  return new Map(rows as [number, number][]);
}
