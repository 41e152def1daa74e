/** How many changes of this node's own some peer has not acknowledged, by table: as far as this node has heard. */
import { entryIn } from './acknowledgements.js';
import type { Engine } from './engine.js';
import { OP, PREFIX } from './metadata-schema.js';
import { nodeOf } from './version-vector.js';

/** @param nodeId the peer's; null: nothing has been heard of it */
export function unsentChanges(engine: Engine, nodeId: string | null): Record<string, number> {
  const { state, tables, acknowledgements } = engine;
  const told = (nodeId === null ? undefined : acknowledgements.latest(nodeId)) ?? { vector: {}, horizon: 0 };
  const counts: Record<string, number> = {};
  const unfolded = unfoldedByTable(engine);
  for (const { captured, metadata } of tables.all) {
    if (captured.internal) continue;
    let changes = unfolded.get(captured.id) ?? 0;
    metadata.forEachVector((entries) => {
      const [latest] = [...entries].sort((x, y) => y.hlc - x.hlc);
      if (latest && nodeOf(latest.session) === state.get('node') && entryIn(told, latest.session) < latest.hlc)
        changes += 1;
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
