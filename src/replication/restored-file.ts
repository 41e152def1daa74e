/**
 * Makes a backup's file into what it is to go on as. On an ordinary connection, inside the caller's transaction; nobody
 * else has the file.
 *
 * That no stamp comes to stand for two values needs nothing here: whoever serves the file folds under a session of its
 * own, born at what the backup had folded, and a backup is only taken of a file in which all is folded. So writes that
 * the lost file has seen after the backup keep their session's name, and come back from the peers under it.
 */
import type { Database } from 'better-sqlite3';
import { ChangeLog } from './change-log.js';
import { type FilePlace, writePlace } from './file-place.js';
import { nextHlc } from './hlc.js';
import { insertMember, MEMBER_TABLE, readMembers } from './member-table.js';
import { OP, PREFIX } from './metadata-schema.js';
import type { StateFacts } from './node-state.js';

/** The node goes on from where the backup left it: peers bring the rest. */
export function settleRejoining(db: Database, place: FilePlace): void {
  writePlace(db, place);
}

export interface NewDataset {
  /** 32 hex digits, random. */
  readonly dataset: string;
  readonly nodeId: string;
  readonly place: FilePlace;
  readonly nowMs: number;
}

/**
 * The file begins a data set of its own, of which this node is the only member, and one that writes. Nobody has another
 * version of its rows then, so they are as after `init`: without metadata, and without the sessions that wrote them. The
 * others cannot speak to it any more, and join it as newcomers, under their names if they like. Returns those.
 */
export function beginNewDataset(db: Database, { dataset, nodeId, place, nowMs }: NewDataset): string[] {
  const node = db.prepare<[], string>(`SELECT value FROM ${PREFIX}state WHERE name = 'node'`).pluck().get() as string;
  const before = readMembers(db);
  forgetHistory(db, nowMs);
  const log = new ChangeLog(db);
  for (const member of before) {
    db.prepare(`DELETE FROM ${MEMBER_TABLE.name} WHERE node_id = ?`).run(member.nodeId);
    log.append(nextHlc(log.last(), nowMs), MEMBER_TABLE.id, OP.delete, [member.nodeId]);
  }
  insertMember(db, log, nextHlc(log.last(), nowMs), { name: node, nodeId, access: 'write' }, nowMs);
  const others = before.filter((member) => member.removedAtMs === null && member.name !== node);
  const mustJoin = others.map(({ name }) => name);
  setFacts(db, { dataset, node_id: nodeId, read_only: 0, verified: '', rules_heard: '', rule_change: '' });
  setFacts(db, { must_join: JSON.stringify(mustJoin) });
  writePlace(db, place);
  return mustJoin;
}

/** All is folded. A new log begins with a marker above whatever has been written. */
function forgetHistory(db: Database, nowMs: number): void {
  const log = new ChangeLog(db);
  const highest = db.prepare<[], number | null>(`SELECT max(hlc) FROM ${PREFIX}session`).pluck().get() ?? 0;
  const marker = nextHlc(Math.max(log.last(), highest), nowMs);
  const metadata = db
    .prepare<[], string>(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB '${PREFIX}meta_[0-9]*'`)
    .pluck()
    .all();
  let edits = Number(db.prepare(`SELECT value FROM ${PREFIX}state WHERE name = 'edits_floor'`).pluck().get());
  for (const name of metadata) {
    edits = Math.max(edits, db.prepare<[], number | null>(`SELECT max(edits) FROM ${name}`).pluck().get() ?? 0);
  }
  const forgotten = [
    ...metadata,
    ...['log', 'session', 'ack', 'cursor', 'former', 'former_value'].map((name) => PREFIX + name),
  ];
  for (const name of forgotten) db.prepare(`DELETE FROM ${name}`).run();
  // What was written over in a gap is still to be told; how rows were left was known by stamps that are gone.
  db.prepare(`UPDATE ${PREFIX}gap_row SET known = NULL`).run();
  log.appendMarker(marker);
  setFacts(db, { folded: marker, horizon: 0, dropped: 0, edits_floor: edits });
}

function setFacts(db: Database, facts: Partial<StateFacts>): void {
  const set = db.prepare(`INSERT OR REPLACE INTO ${PREFIX}state(name, value) VALUES(?, ?)`);
  for (const [name, value] of Object.entries(facts)) set.run(name, typeof value === 'number' ? BigInt(value) : value);
}
