/**
 * What a seed (a peer's snapshot) has of the writes in a file that is to be replaced by it, and the other way round.
 *
 * A session that a vector does not name has either been let go, when all members had it, or was never heard of. Of a node
 * that belongs only the first can be, up to `dropped`: nothing that it has not sent lies below what all have acknowledged.
 * Of one that had been removed nothing is ever let go afterwards, so the second is. Of this node's own sessions it is the
 * second if it had been removed, and cannot be told if it had not: then this file is an older copy.
 *
 * What another node has written and the seed lacks that node ships itself, unless it has said that it lacks it too: an older
 * copy of its file has been put back, or it has come back by a rejoin. Then this file alone has it.
 */
import type { Database } from 'better-sqlite3';
import { entryIn, readAcknowledgements } from './acknowledgements.js';
import type { Engine } from './engine.js';
import { type Member, readMembers } from './member-table.js';
import { belonging } from './membership.js';
import { PREFIX } from './metadata-schema.js';
import { ownStanding, SentWrites, WRITES } from './read-only.js';
import type { Familiarity, Whereabouts } from './rejoin-row.js';
import { covers, type Standing } from './staleness.js';
import { SETTLED_SESSION, type Stamp } from './stamp.js';
import { birthOf, nodeOf, type VersionVector } from './version-vector.js';
import type { Acknowledgement } from './wire-messages.js';

type Word = Pick<Acknowledgement, 'vector' | 'horizon' | 'atMs'>;

interface KnownStanding extends Standing {
  readonly vector: ReadonlyMap<string, number>;
}

export class SeedKnowledge {
  private readonly node: string;
  private readonly seed: KnownStanding;
  private readonly file: Standing;
  /** The other nodes that belong, by name, each with what it has said last; null: nothing, as far as anybody knows. */
  private readonly others: ReadonlyMap<string, Word | null>;
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
    const others = belonging(members).filter(({ name }) => name !== this.node);
    const words = wordsIn(seed);
    this.others = new Map(
      others.map(({ name, nodeId }) => [name, laterOf(words.get(nodeId), file.acknowledgements.latest(nodeId))]),
    );
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
    if (this.others.has(author)) return this.mayShipItself(author, { session, hlc }) ? 'in-seed' : 'only-here';
    if (entry !== undefined) return entry >= hlc ? 'in-seed' : 'only-here';
    if (hlc > this.seed.dropped || author !== this.node || this.hadBeenRemoved) return 'only-here';
    return 'unknown';
  }

  /**
   * Has the file all that the seed had settled by then? Its horizon tells that of those alone whom it waited for: what it
   * has settled and the seed lacks it has settled without the seed.
   */
  private isWithinHorizon(hlc: number): boolean {
    return !this.isSeedBehind && hlc <= this.file.horizon;
  }

  /** Has whoever has written it got it still, for all anybody has heard? */
  private mayShipItself(author: string, { session, hlc }: Stamp): boolean {
    if (this.seed.has(session) >= hlc) return true;
    const word = this.others.get(author) ?? null;
    return word === null || entryIn(word, session) >= hlc;
  }

  /** The horizon says nothing of what nobody takes. */
  private whereaboutsOfReader(stamp: Stamp): Whereabouts {
    const isThere = (this.seed.vector.get(stamp.session) ?? 0) >= stamp.hlc;
    return isThere || this.sent?.isUnsent(stamp) === false ? 'in-seed' : 'only-here';
  }

  /** Of a vector of the file's, what the seed has. */
  within(vector: VersionVector): Map<string, number> {
    const known = new Map<string, number>();
    for (const [session, hlc] of vector) {
      const entry = this.seed.vector.get(session);
      if (entry !== undefined) known.set(session, Math.min(hlc, entry));
    }
    return known;
  }

  /** Up to where all that the seed knows to be settled is known to a version of the file's that has seen so much. */
  horizonOf(seenUpTo: number | null): number {
    return this.isSeedBehind ? 0 : (seenUpTo ?? this.file.horizon);
  }

  /** Does the file have a write of the seed? */
  familiarity({ session, hlc }: Stamp): Familiarity {
    if (session === SETTLED_SESSION) return this.hasSeenSettled || this.isWithinHorizon(hlc) ? 'known' : 'unclear';
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

function laterOf(x: Word | undefined, y: Word | undefined): Word | null {
  if (x === undefined || y === undefined) return x ?? y ?? null;
  return x.atMs > y.atMs ? x : y;
}

/** What the seed's node has heard, and its own word, by node id. */
function wordsIn(seed: Database): Map<string, Word> {
  const words: Map<string, Word> = readAcknowledgements(seed);
  const { vector, horizon } = standingIn(seed);
  const self = seed.prepare(`SELECT value FROM ${PREFIX}state WHERE name = 'node_id'`).pluck().get() as string;
  return words.set(self, { vector: Object.fromEntries(vector), horizon, atMs: Number.POSITIVE_INFINITY });
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
