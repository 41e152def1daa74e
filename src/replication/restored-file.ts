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
import { MEMBER_TABLE } from './member-table.js';
import { OP, PREFIX } from './metadata-schema.js';

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
 * The file begins a data set of its own, of which this node is the only member. What was known of the others is
 * forgotten: they cannot speak to it any more, and join it as newcomers. Returns the names of those members.
 */
export function beginNewDataset(db: Database, { dataset, nodeId, place, nowMs }: NewDataset): string[] {
  const set = db.prepare(`UPDATE ${PREFIX}state SET value = ? WHERE name = ?`);
  const node = db.prepare<[], string>(`SELECT value FROM ${PREFIX}state WHERE name = 'node'`).pluck().get() as string;
  const others = db
    .prepare<[string], string>(`SELECT name FROM ${MEMBER_TABLE.name} WHERE name <> ? ORDER BY name`)
    .pluck()
    .all(node);
  const log = new ChangeLog(db);
  const enter = (op: number, name: string) => log.append(nextHlc(log.last(), nowMs), MEMBER_TABLE.id, op, [name]);
  for (const name of others) {
    db.prepare(`DELETE FROM ${MEMBER_TABLE.name} WHERE name = ?`).run(name);
    enter(OP.delete, name);
  }
  db.prepare(`UPDATE ${MEMBER_TABLE.name} SET node_id = ? WHERE name = ?`).run(nodeId, node);
  enter(OP.update, node);
  for (const table of ['ack', 'cursor']) db.prepare(`DELETE FROM ${PREFIX}${table}`).run();
  set.run(dataset, 'dataset');
  set.run(nodeId, 'node_id');
  // What others were heard to say, and a change of the rules that waits for their word.
  for (const heard of ['verified', 'rules_heard', 'rule_change']) set.run('', heard);
  writePlace(db, place);
  return others;
}
