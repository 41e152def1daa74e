/**
 * A read-only node: nobody takes what is written on it, and nobody waits for it, so the horizon passes those writes by.
 * They keep their metadata, since they are nowhere else. A node that may write again goes on as a reader for as long as it
 * has such writes: with the stamps they have they are older than what others have settled, so it has to rejoin.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import type { Engine } from './engine.js';
import { MEMBER_TABLE } from './member-table.js';
import { PREFIX } from './metadata-schema.js';
import type { Standing } from './staleness.js';
import type { Stamp } from './stamp.js';
import { birthOf, nodeOf } from './version-vector.js';

/** The fact `read_only`. */
export const WRITES = 0;
const READS = 1;

/** Does nobody take what is written to this file? */
export function isReaderFile(db: Database): boolean {
  const isReader = `SELECT 1 FROM ${PREFIX}state WHERE name = 'read_only' AND value = ${READS}`;
  const isToRead =
    `SELECT 1 FROM ${MEMBER_TABLE.name} WHERE access = 'read' ` +
    `AND node_id = (SELECT value FROM ${PREFIX}state WHERE name = 'node_id')`;
  return db.prepare(`SELECT EXISTS(${isReader}) OR EXISTS(${isToRead})`).pluck().get() === 1;
}

/** The refusal of a decision that would reach nobody. */
export function decidesNothing(node: string): SqlsyncError {
  return new SqlsyncError('member-read-only', `${node} is a read-only member: nobody takes what is decided there`, {
    hint: 'Type it on a member that may write: `sqlsync members` lists them.',
  });
}

/** How far anybody has this node's own sessions: what is beyond has been sent to nobody. */
export class SentWrites {
  private readonly told: readonly Readonly<Record<string, number>>[];
  private readonly node: string;

  constructor(private readonly engine: Engine) {
    this.node = engine.state.get('node');
    this.told = [...engine.acknowledgements.all.values()].map(({ vector }) => vector);
  }

  isUnsent({ session, hlc }: Stamp): boolean {
    return nodeOf(session) === this.node && hlc > this.entryOf(session);
  }

  private entryOf(session: string): number {
    return this.told.reduce((highest, vector) => Math.max(highest, vector[session] ?? 0), birthOf(session));
  }

  /** By the numbers of the sessions. */
  bySession(): Map<number, number> {
    const { state } = this.engine;
    const own = [...state.vector.keys()].filter((session) => nodeOf(session) === this.node);
    return new Map(own.map((session) => [state.sessionId(session), this.entryOf(session)]));
  }
}

/**
 * What this node says it has, and is judged by: of a reader's own sessions no more than others have, since nobody will
 * ever have the rest.
 */
export function ownStanding(engine: Engine): Standing {
  const { state } = engine;
  const vector = state.get('read_only') === WRITES ? state.vector : vectorOfReader(engine);
  const [horizon, dropped] = [state.get('horizon'), state.get('dropped')];
  return { vector, horizon, dropped, has: (session) => state.has(session) };
}

function vectorOfReader(engine: Engine): Map<string, number> {
  const { state } = engine;
  const sent = new SentWrites(engine).bySession();
  const entries = [...state.vector].map(([session, hlc]): [string, number] => [
    session,
    Math.min(hlc, sent.get(state.sessionId(session)) ?? hlc),
  ]);
  return new Map(entries.filter(([session, hlc]) => hlc > birthOf(session)));
}

/** Rows of the application in which something is that nobody else will ever have. */
export function countUnsent(engine: Engine): number {
  const sent = new SentWrites(engine);
  let rows = 0;
  for (const { captured, metadata } of engine.tables.all) {
    if (!captured.internal)
      metadata.forEachVector((entries) => {
        if (entries.some((stamp) => sent.isUnsent(stamp))) rows += 1;
      });
  }
  return rows;
}

/** Goes by the access that the node has now, inside the caller's transaction and with all folded. */
export function followAccess(engine: Engine, isReader: boolean): void {
  const { state } = engine;
  if (isReader) state.set('read_only', READS);
  else if (state.get('read_only') === READS && countUnsent(engine) === 0) {
    // Its markers nobody has, and need not have.
    state.replaceOwnEntries(new SentWrites(engine).bySession());
    state.set('read_only', WRITES);
  }
}
