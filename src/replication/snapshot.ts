/**
 * Makes a copy of a member's file into a node of its own. The copy holds the whole data set as the sponsor had it; what
 * changes is who it is: node, log and acknowledgements. A snapshot's vector stays: it says what the file holds.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { ChangeLog } from './change-log.js';
import { writePlace } from './file-place.js';
import { nextHlc } from './hlc.js';
import { PREFIX } from './metadata-schema.js';
import { upgradeFormat } from './upgrade-format.js';

export interface NewcomerIdentity {
  readonly node: string;
  readonly nodeId: string;
  readonly nowMs: number;
  /** What it writes is to be later than this HLC too: it has been a node before. */
  readonly afterHlc?: number;
}

/**
 * Gives a snapshot its new identity, in one transaction, after upgrading what comes from a node of an older version. The
 * copy is nobody else's: no daemon and no application has it open. Throws format-newer, catching-up.
 */
export function prepareSnapshot(db: Database, identity: NewcomerIdentity): void {
  const fact = (name: string) => db.prepare(`SELECT value FROM ${PREFIX}state WHERE name = ?`).pluck().get(name);
  upgradeFormat(db, 'the snapshot');
  if (fact('catch_up') !== '') {
    throw new SqlsyncError('catching-up', 'the snapshot was made in the middle of a catch-up', { hint: 'try again' });
  }
  const sponsor = { nodeId: String(fact('node_id')), horizon: Number(fact('horizon')), folded: Number(fact('folded')) };
  db.transaction(() => {
    acknowledgeForSponsor(db, sponsor, identity.nowMs);
    const marker = restartLog(db, identity.nowMs, identity.afterHlc ?? 0);
    const set = db.prepare(`UPDATE ${PREFIX}state SET value = ? WHERE name = ?`);
    set.run(identity.node, 'node');
    set.run(identity.nodeId, 'node_id');
    set.run(BigInt(marker), 'folded');
    set.run('', 'verified');
    set.run('', 'must_join');
    // Whatever the sponsor waited for was never decided: a change needs all members at hand, and the newcomer was one.
    set.run('', 'rule_change');
    // The sponsor closes its gap itself; what was known of rows it was by its own log.
    db.prepare(`DELETE FROM ${PREFIX}gap_row`).run();
    set.run(0, 'read_only');
    writePlace(db, null);
  })();
}

/** The sponsor had what its snapshot holds. */
function acknowledgeForSponsor(
  db: Database,
  sponsor: { readonly nodeId: string; readonly horizon: number; readonly folded: number },
  nowMs: number,
): void {
  const entries = db.prepare(`SELECT name, hlc FROM ${PREFIX}session WHERE hlc IS NOT NULL`).raw().all() as [
    string,
    number,
  ][];
  const { nodeId, horizon, folded } = sponsor;
  db.prepare(
    `INSERT OR REPLACE INTO ${PREFIX}ack(node_id, vector, horizon, hold, folded, at) VALUES(?, ?, ?, NULL, ?, ?)`,
  ).run(nodeId, JSON.stringify(Object.fromEntries(entries)), BigInt(horizon), BigInt(folded), BigInt(nowMs));
}

/** A new log: a marker above every entry of the vector. Returns its HLC. */
function restartLog(db: Database, nowMs: number, afterHlc: number): number {
  const log = new ChangeLog(db);
  const highest = db.prepare(`SELECT max(hlc) FROM ${PREFIX}session`).pluck().get() as number | null;
  const marker = nextHlc(Math.max(log.last(), highest ?? 0, afterHlc), nowMs);
  db.prepare(`DELETE FROM ${PREFIX}log`).run();
  log.appendMarker(marker);
  return marker;
}
