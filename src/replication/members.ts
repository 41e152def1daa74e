/** The members of the data set as one node knows them, and how another becomes one. */
import type { Database, Statement } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import type { Engine } from './engine.js';
import { type Eviction, type EvictionFacts, findSilent } from './eviction.js';
import { nextHlc } from './hlc.js';
import type { OtherMember } from './horizon.js';
import {
  insertMember,
  MEMBER_TABLE,
  type Member,
  type NewMember,
  SELECT_MEMBERS,
  updateMember,
} from './member-table.js';
import { belonging, counted, endOf } from './membership.js';
import { OP } from './metadata-schema.js';
import { insertOperation, OPERATION_TABLE } from './operation-record.js';
import { WRITES } from './read-only.js';

/** A node that was a member and comes back: under which id, and what it has. */
export interface Rejoining {
  readonly dataset: string;
  readonly nodeId: string;
  readonly vector: Readonly<Record<string, number>>;
  readonly horizon: number;
  readonly dropped: number;
}

export interface EvictionRequest extends Pick<EvictionFacts, 'silentMsMax' | 'listeningSinceMs'> {
  /** Hex, random. */
  readonly operationId: () => string;
}

/** Has the data set a member of that name, or has it had one? */
export function isMemberName(db: Database, name: string): boolean {
  return db.prepare(`SELECT EXISTS(SELECT 1 FROM ${MEMBER_TABLE.name} WHERE name = ?)`).pluck().get(name) === 1;
}

export class Members {
  private readonly selectAll: Statement<[], Member>;
  /** As the table was when it was last read. */
  private lastRead: readonly Member[];

  constructor(
    private readonly db: Database,
    private readonly engine: Engine,
  ) {
    this.selectAll = db.prepare<[], Member>(SELECT_MEMBERS).safeIntegers(false);
    this.lastRead = this.selectAll.all();
  }

  /**
   * Every membership as of the last look at the table: for what is asked between two turns at the file, which another may
   * have locked.
   */
  get known(): readonly Member[] {
    return this.lastRead;
  }

  /** Every membership there has been, the earlier of a name first. */
  all(): Member[] {
    const members = this.selectAll.all();
    this.lastRead = members;
    return members;
  }

  /** The members that belong, this node among them if it does. */
  belonging(): Member[] {
    return belonging(this.all());
  }

  /** Names of the members that belong, this node among them. */
  names(): string[] {
    return this.belonging().map(({ name }) => name);
  }

  /** The members whose acknowledgements count for the horizon. Right only while nothing waits to be folded. */
  counted(): Member[] {
    const { state, acknowledgements, tables } = this.engine;
    const table = tables.withId(MEMBER_TABLE.id);
    return counted({
      members: this.all(),
      self: state.get('node_id'),
      stampOf: (nodeId) => table?.metadata.get([nodeId])?.stamp ?? null,
      hasAcknowledged: (nodeId, stamp) => acknowledgements.has(nodeId, stamp),
    });
  }

  /** The counted members but for this node, with what each has acknowledged; null: this node itself does not count. */
  others(): OtherMember[] | null {
    const { state, acknowledgements } = this.engine;
    const members = this.counted();
    const self = state.get('node_id');
    if (endOf(this.all(), self) !== null) return null;
    return members
      .filter(({ nodeId }) => nodeId !== self)
      .map(({ nodeId }) => ({ told: acknowledgements.all.get(nodeId) }));
  }

  /** Does nobody take what is written on this node? */
  get isReader(): boolean {
    return this.isReaderAmong(this.all());
  }

  /** The same, as of the last look at the table. */
  get isKnownReader(): boolean {
    return this.isReaderAmong(this.known);
  }

  private isReaderAmong(members: readonly Member[]): boolean {
    const { state } = this.engine;
    return state.get('read_only') !== WRITES || isReadOnlyAmong(members, state.get('node_id'));
  }

  isReadOnly(nodeId: string): boolean {
    return isReadOnlyAmong(this.all(), nodeId);
  }

  /**
   * Makes a node a member. A name that another node has used is refused; one that was admitted and never came (its join
   * was cut short) may be taken anew.
   */
  admit(member: NewMember): void {
    const known = this.ofName(member.name);
    if (known.some(({ nodeId }) => nodeId === member.nodeId)) return;
    if (this.engine.state.hasHeardFrom(member.name) || known.some(({ nodeId }) => this.hasBeenHeard(nodeId))) {
      throw new SqlsyncError('node-name-taken', `the data set has a node ${member.name} already`, {
        hint: 'choose another name with --node',
      });
    }
    this.enter(member, known);
  }

  /**
   * Makes a node that was a member one anew, under another node id, and with the access that it had. Its earlier
   * memberships are over then, so that an older file of it that turns up is known for what it is.
   */
  readmit(member: NewMember, { nodeId }: Pick<Rejoining, 'nodeId'>): void {
    const known = this.ofName(member.name);
    if (known.some((one) => one.nodeId === member.nodeId)) return;
    const before = known.find((one) => one.nodeId === nodeId);
    const [present] = belonging(known);
    if (present !== undefined && present.nodeId !== nodeId && this.hasBeenHeard(present.nodeId)) {
      throw new SqlsyncError('node-name-taken', `${member.name} has come back under another file already`, {
        hint: `if that file is gone, on this node's peer: sqlsync members remove ${member.name}; then try again`,
      });
    }
    this.enter({ ...member, access: before?.access ?? member.access }, known);
  }

  /** Ends the memberships of those that have been silent for too long: see eviction.ts. */
  evictSilent(request: EvictionRequest): Eviction {
    const { db, engine } = this;
    const { state, acknowledgements, clock } = engine;
    const self = state.get('node_id');
    const find = () =>
      findSilent({
        ...request,
        counted: this.counted(),
        self,
        nowMs: clock.nowMs(),
        lastHeardMs: (nodeId) => acknowledgements.latest(nodeId)?.atMs ?? null,
      });
    const found = find();
    const mayDecide = !this.isReadOnly(self) && endOf(this.all(), self) === null;
    if (!mayDecide) return { members: [], undecided: [...found.members, ...found.undecided] };
    if (found.members.length === 0) return found;
    return engine.writeTransaction(() => {
      engine.foldToEnd();
      const eviction = find();
      for (const { name, nodeId } of eviction.members) {
        this.remove(nodeId, clock.nowMs());
        const id = request.operationId();
        const command = `members remove ${name}: silent for longer than prune.peerTimeout`;
        const record = { id, node: state.get('node'), operator: 'sqlsync', command, detail: { member: name, nodeId } };
        insertOperation(db, { ...record, result: 'done' }, clock.nowMs());
        engine.logOwnWrite(OPERATION_TABLE.id, OP.insert, [id], 0);
      }
      engine.foldToEnd();
      return eviction;
    });
  }

  private ofName(name: string): Member[] {
    return this.all().filter((member) => member.name === name);
  }

  private hasBeenHeard(nodeId: string): boolean {
    return this.engine.acknowledgements.latest(nodeId) !== undefined;
  }

  /** The membership takes the place of all that the name has had before. */
  private enter(member: NewMember, before: readonly Member[]): void {
    const { db, engine } = this;
    engine.writeTransaction(() => {
      const nowMs = Math.max(engine.clock.nowMs(), ...before.map(({ joinedAtMs }) => joinedAtMs + 1));
      for (const { nodeId, removedAtMs } of before) if (removedAtMs === null) this.remove(nodeId, nowMs);
      insertMember(db, engine.log, nextHlc(engine.log.last(), engine.clock.nowMs()), member, nowMs);
      engine.foldToEnd();
    });
  }

  /** Ends a membership, inside the caller's transaction. */
  private remove(nodeId: string, removedAtMs: number): void {
    const { db, engine } = this;
    updateMember(db, engine.log, nextHlc(engine.log.last(), engine.clock.nowMs()), nodeId, { removedAtMs });
  }
}

function isReadOnlyAmong(members: readonly Member[], nodeId: string): boolean {
  return members.some((member) => member.nodeId === nodeId && member.access === 'read');
}

/** The refusal of changes that come from a read-only member. */
export function readOnlyRefusal(node: string, table: string): SqlsyncError {
  return new SqlsyncError('member-read-only', `${node} is a read-only member: its changes to ${table} are not taken`, {
    hint: `if they should be, on another node: sqlsync members set ${node} --access write`,
  });
}
