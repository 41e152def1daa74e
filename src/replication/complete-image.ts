/**
 * Rows of a sender that lacks a column of this node's: its image says which columns it has, and the others are filled in.
 * Within one life the row keeps the value that it has here, so a default never overwrites a known value; a new life
 * begins with the defaults. Where rows are joined whole, the version says which columns its writer does not have.
 */
import type { IncomingVersion } from './apply-row.js';
import { withUnsaid } from './column-mapping.js';
import type { NodeState } from './node-state.js';
import type { ReplicatedTable } from './replicated-table.js';
import type { RowVersion, SqlValue } from './row-version.js';
import { isSameLife, SETTLED_SESSION } from './stamp.js';

/** @param lacking places of the columns that the sender does not have */
export function completeImage(
  table: ReplicatedTable,
  incoming: IncomingVersion,
  lacking: readonly number[],
  state: NodeState,
): IncomingVersion {
  const { key, row } = incoming;
  if (lacking.length === 0 || row.image === null) return incoming;
  const here = table.metadata.get(key);
  const { rules } = table.captured;
  // Whole rows that are known are joined by what each says of its columns.
  const isJoined = here !== undefined && rules.strategy !== 'merge';
  const present = !isJoined && goesOn(here, row.version, state.get('horizon')) ? table.rows.read(key) : null;
  const image = [...row.image];
  for (const place of lacking) {
    image[place] = present === null ? table.defaultOf(place) : (present[place] as SqlValue);
  }
  const unsaid = lacking.map((place) => table.columnIds[place] as number);
  return { key, row: { version: withUnsaid(row.version, unsaid, rules), image } };
}

/** Is the row that is here, of which nothing is known when it is settled, in the life that the incoming version is in? */
function goesOn(here: RowVersion | undefined, incoming: RowVersion, horizon: number): boolean {
  if (here !== undefined) return here.alive && isSameLife(here.life, incoming.life);
  return incoming.life.session === SETTLED_SESSION || incoming.life.hlc <= horizon;
}
