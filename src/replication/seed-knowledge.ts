/**
 * What a seed (a peer's snapshot) has of the writes in a file that is to be replaced by it, and the other way round.
 *
 * A session that a vector does not name has either been let go, when all members had it, or was never heard of. Of a node
 * that belongs only the first can be, up to `dropped`: nothing that it has not sent lies below what all have acknowledged.
 * Of one that had been removed nothing is ever let go afterwards, so the second is. Of this node's own sessions it is the
 * second if it had been removed, and cannot be told if it had not: then this file is an older copy.
 */
import type { Database } from 'better-sqlite3';
import type { Engine } from './engine.js';
import { type Member, readMembers } from './member-table.js';
import { belonging } from './membership.js';
import { PREFIX } from './metadata-schema.js';
import { ownStanding, SentWrites, WRITES } from './read-only.js';
import type { Familiarity, Whereabouts } from './rejoin-row.js';
import { covers, type Standing } from './staleness.js';
import { SETTLED_SESSION, type Stamp } from './stamp.js';
import { birthOf, nodeOf } from './version-vector.js';

interface KnownStanding extends Standing {
  readonly vector: ReadonlyMap<string, number>;
}

export class SeedKnowledge {
  private readonly node: string;
  private readonly seed: KnownStanding;
  private readonly file: Standing;
  /** Names of the other nodes that belong. */
  private readonly others: ReadonlySet<string>;
  private readonly hadBeenRemoved: boolean;
  private readonly hasSeenSettled: boolean;
  /** Null: others take what is written here. */
  private readonly sent: SentWrites | null;
  /** Has the file settled what the seed lacks? Then its metadata does not tell all that only it has. */
  readonly isSeedBehind: boolean;

  /** @param seed a snapshot in which the node has been admitted anew; `file`: the node's engine on what it had */
  constructor(seed: Database, file: Engine) {
    const { state } = file;
    this.node = state.get('node');
    this.sent = state.get('read_only') === WRITES ? null : new SentWrites(file);
    this.seed = standingIn(seed);
    this.file = ownStanding(file);
    this.hasSeenSettled = covers(this.file, this.seed);
    this.isSeedBehind = !covers(this.seed, this.file);
    const members = readMembers(seed);
    this.others = new Set(belonging(members).flatMap(({ name }) => (name === this.node ? [] : [name])));
    this.hadBeenRemoved = wasRemoved(members, this.node, state.get('node_id'));
  }

  /** A row of the seed without metadata is settled up to there. */
  get horizon(): number {
    return this.seed.horizon;
  }

  /** Is the file behind nowhere, while the seed is? Then it is the other that has to be seeded afresh. */
  get isFileAhead(): boolean {
    return this.isSeedBehind && this.hasSeenSettled;
  }

  /** Where a write of the file is. */
  whereabouts({ session, hlc }: Stamp): Whereabouts {
    if (this.sent !== null && nodeOf(session) === this.node) return this.whereaboutsOfReader({ session, hlc });
    if (session === SETTLED_SESSION || hlc <= this.file.horizon) return this.isSeedBehind ? 'unknown' : 'in-seed';
    const author = nodeOf(session);
    const entry = this.seed.vector.get(session);
    // Whoever has written it and belongs ships it itself.
    if (this.others.has(author)) return 'in-seed';
    if (entry !== undefined) return entry >= hlc ? 'in-seed' : 'only-here';
    if (hlc > this.seed.dropped || author !== this.node || this.hadBeenRemoved) return 'only-here';
    return 'unknown';
  }

  /** The horizon says nothing of what nobody takes. */
  private whereaboutsOfReader(stamp: Stamp): Whereabouts {
    const isThere = (this.seed.vector.get(stamp.session) ?? 0) >= stamp.hlc;
    return isThere || this.sent?.isUnsent(stamp) === false ? 'in-seed' : 'only-here';
  }

  /** Does the file have a write of the seed? */
  familiarity({ session, hlc }: Stamp): Familiarity {
    if (session === SETTLED_SESSION) return this.hasSeenSettled || hlc <= this.file.horizon ? 'known' : 'unclear';
    return this.file.has(session) >= hlc ? 'known' : 'unknown';
  }
}

/** Removed before it was admitted anew, or not known at all: an admission ends the membership before it at one moment. */
function wasRemoved(members: readonly Member[], node: string, nodeId: string): boolean {
  const before = members.find((member) => member.nodeId === nodeId);
  const now = belonging(members).find(({ name }) => name === node);
  if (before === undefined || now === undefined) return true;
  return before.removedAtMs !== null && before.removedAtMs < now.joinedAtMs;
}

function standingIn(db: Database): KnownStanding {
  const facts = new Map(db.prepare(`SELECT name, value FROM ${PREFIX}state`).raw().all() as [string, unknown][]);
  const entries = db.prepare(`SELECT name, hlc FROM ${PREFIX}session WHERE hlc IS NOT NULL`).raw().all();
  const vector = new Map(entries as [string, number][]);
  const dropped = Number(facts.get('dropped'));
  return {
    vector,
    horizon: Number(facts.get('horizon')),
    dropped,
    has: (session) => vector.get(session) ?? Math.max(birthOf(session), dropped),
  };
}
