/** What of a file's history can go, and which member holds the rest. Looks at every row with metadata, and changes nothing. */
import type { Engine } from './engine.js';
import { type Bound, boundBy } from './horizon.js';
import type { Member } from './member-table.js';
import type { Members } from './members.js';
import { metadataTable, PREFIX } from './metadata-schema.js';
import type { Slices } from './slices.js';

/** History in the file: entries of the change log, metadata of rows, names of sessions, and the room all of it takes. */
export interface History {
  readonly logEntries: number;
  readonly rows: number;
  readonly sessions: number;
  readonly bytes: number;
}

export interface HistoryHolder {
  readonly member: string;
  /** `aside` of this node itself, too: it keeps changes that it cannot apply. */
  readonly why: Bound['why'];
  /** Rows whose metadata has to stay for its sake. */
  readonly changes: number;
  /** About as much room as they take. */
  readonly bytes: number;
  readonly lastHeardMs: number | null;
}

export interface PrunePlan {
  readonly history: History;
  /** What of it can go; the room it takes is about so much. */
  readonly removable: Omit<History, 'sessions'>;
  readonly holders: readonly HistoryHolder[];
  /** Bytes of the file, and those of them that are free for whatever is written next. */
  readonly fileBytes: number;
  readonly freeBytes: number;
}

/**
 * In slices, a table each.
 * @param olderThanHlc log entries that are not younger may go
 */
export function* planPrune(engine: Engine, members: Members, horizon: number, olderThanHlc: number): Slices<PrunePlan> {
  const { state, log, tables, options } = engine;
  const bytesOf = tableBytes(engine);
  const bounds = boundsOf(engine, members);
  const held = bounds.map(() => ({ changes: 0, bytes: 0 }));
  const history = { logEntries: log.count(), rows: 0, sessions: state.vector.size + state.namesOnly().size };
  const removable = { logEntries: removableEntries(engine, olderThanHlc), rows: 0, bytes: 0 };
  for (const { captured, metadata } of tables.all) {
    const rows = metadata.count();
    if (rows === 0) continue;
    const rowBytes = (bytesOf.get(metadataTable(captured.id)) ?? 0) / rows;
    history.rows += rows;
    const gone = rows - metadata.countBeyond(horizon);
    removable.rows += gone;
    removable.bytes += gone * rowBytes;
    for (const [i, { hlc }] of bounds.entries()) {
      const holder = held[i] as (typeof held)[number];
      const changes = metadata.countBeyond(hlc);
      holder.changes += changes;
      holder.bytes += changes * rowBytes;
    }
    yield;
  }
  const logBytes = bytesOf.get(`${PREFIX}log`) ?? 0;
  removable.bytes += history.logEntries === 0 ? 0 : (logBytes * removable.logEntries) / history.logEntries;
  const bytes = [...bytesOf.values()].reduce((sum, size) => sum + size, 0);
  const pageBytes = options.writer.pragma('page_size', { simple: true }) as number;
  return {
    history: { ...history, bytes },
    removable: { ...removable, bytes: Math.round(removable.bytes) },
    holders: bounds
      .map(({ hlc: _, ...bound }, i) => ({
        ...bound,
        changes: held[i]?.changes ?? 0,
        bytes: Math.round(held[i]?.bytes ?? 0),
      }))
      .filter(({ changes }) => changes > 0)
      .sort((x, y) => y.changes - x.changes),
    fileBytes: (options.writer.pragma('page_count', { simple: true }) as number) * pageBytes,
    freeBytes: (options.writer.pragma('freelist_count', { simple: true }) as number) * pageBytes,
  };
}

/** The newest entry stays, and what is not folded. */
function removableEntries({ log, state }: Engine, olderThanHlc: number): number {
  const below = Math.min(olderThanHlc, state.get('folded'), log.last());
  return log.count() - log.countAfter(below - 1);
}

interface HolderBound extends Bound {
  readonly member: string;
  readonly lastHeardMs: number | null;
}

function boundsOf(engine: Engine, members: Members): HolderBound[] {
  const { state, acknowledgements } = engine;
  const facts = { vector: state.vector, has: (session: string) => state.has(session) };
  const self = state.get('node_id');
  const others = members.counted().filter(({ nodeId }) => nodeId !== self);
  const bounds = others.map(({ name, nodeId }: Member) => ({
    member: name,
    lastHeardMs: acknowledgements.latest(nodeId)?.atMs ?? null,
    ...boundBy({ told: acknowledgements.all.get(nodeId) }, facts),
  }));
  const { hold } = engine;
  if (hold === null) return bounds;
  return [...bounds, { member: state.get('node'), lastHeardMs: null, hlc: hold - 1, why: 'aside' }];
}

/** Bytes of each of sqlsync's tables, their indexes included. */
function tableBytes({ options: { writer } }: Engine): Map<string, number> {
  const objects = writer
    .prepare(
      `SELECT name, tbl_name FROM sqlite_schema WHERE rootpage > 0 AND substr(tbl_name, 1, ${PREFIX.length}) = '${PREFIX}'`,
    )
    .raw()
    .all() as [string, string][];
  const sizeOf = writer.prepare('SELECT sum(pgsize) FROM dbstat WHERE name = ? AND aggregate = TRUE').pluck();
  const bytes = new Map<string, number>();
  for (const [name, table] of objects) bytes.set(table, (bytes.get(table) ?? 0) + Number(sizeOf.get(name) ?? 0));
  return bytes;
}
