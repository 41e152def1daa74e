/**
 * How the rules of the data set change: in one step, with every member at hand. The node where the change is typed
 * coordinates. It has every member freeze (`prepare`) and say what it has; if all have the same (rule-agreement.ts) it
 * decides by setting the rules in its own file, and tells the others (`commit`); else it lets go of them (`abort`) and
 * may try again under another id. A member never decides alone: it waits, across restarts, until it hears the outcome from
 * the coordinator, or meets a member that goes by the new rules already.
 *
 * A coordinator that is gone for good is removed from the members; then another one takes over (`fence`), which again
 * needs all that are left: if one of them has heard the decision, all go by it, else none does.
 */
import { SqlsyncError } from '../errors.js';
import { type Engine, NOT_READ } from './engine.js';
import { type InclusionRequest, inclusionFor } from './inclusion-request.js';
import { tableNames } from './inspect-capture.js';
import { decidesTables, leavingTables, reasonToWait, refuseIfInQuestion } from './leaving-tables.js';
import type { Members } from './members.js';
import { OP } from './metadata-schema.js';
import { insertOperation, OPERATION_TABLE, type OperationRecord } from './operation-record.js';
import { decidesNothing } from './read-only.js';
import { type FrozenMember, membersBehind } from './rule-agreement.js';
import { rulesChanging, type WaitingChange } from './rule-freeze.js';
import { type RequestedRule, type RuleRequest, ruleFor } from './rule-request.js';
import {
  type EffectiveRule,
  effectiveRule,
  type RuleChange,
  type RuleRow,
  readRuleRows,
  rowsAfter,
  rulesFrom,
  rulesHash,
  settlesConflicts,
  writeRules,
} from './rules.js';
import { RulesHeard } from './rules-heard.js';
import type { CapturedTable } from './table-schema.js';
import type { Hello } from './wire-messages.js';
import { durably } from './write-lock.js';

/** What has become of a change, as far as a node knows. */
export type RuleOutcome = 'adopted' | 'undecided' | 'unknown';

/** What a member says when it has frozen for a change. */
export interface RuleVote {
  readonly hello: Pick<Hello, 'node' | 'vector' | 'dropped' | 'rulesHash' | 'ruleChange' | 'catchingUp'>;
  /** The members that it knows, itself among them. */
  readonly members: readonly string[];
}

/** Changes that were given up, so that a message that was late freezes nobody. */
const ABORTED_MAX = 1024;

export class RuleChanges {
  /** By which rules this node went before the last change that it has lived through; null: none yet. */
  previousHash: string | null = null;
  /** By which rules the others go, as far as this node has heard. */
  readonly heard: RulesHeard;
  private readonly aborted: string[] = [];

  constructor(
    private readonly engine: Engine,
    private readonly members: Members,
  ) {
    this.heard = new RulesHeard(engine.state);
  }

  /** The rows of the rule table. */
  rows(): RuleRow[] {
    return readRuleRows(this.engine.options.writer);
  }

  /** The change whose outcome this node waits for; null: none. */
  get waiting(): WaitingChange | null {
    return this.engine.freeze.waiting;
  }

  /** The change that this node coordinates; null: none. */
  get coordinating(): RuleChange | null {
    return this.engine.freeze.coordinating;
  }

  /** The change that is under way here, as a member's or the coordinator's; null: none. */
  get underWay(): string | null {
    return this.engine.freeze.changeId;
  }

  /** What the application's tables go by, each once. */
  get tables(): readonly CapturedTable[] {
    return this.engine.tables.all.map(({ captured }) => captured).filter(({ internal }) => !internal);
  }

  /** The row that a request makes of the rules as they are now. Throws 'usage'. */
  request(asked: RuleRequest | InclusionRequest): RequestedRule {
    if ('glob' in asked) return inclusionFor(asked, this.rows(), [...tableNames(this.engine.options.install)]);
    return ruleFor(asked, { tables: this.tables, rows: this.rows(), members: this.members.names() });
  }

  /** What a table, or `*`, goes by. */
  effective(table: string): EffectiveRule {
    const rows = this.rows();
    const isOwn = rows.some((row) => row.tbl === table && settlesConflicts(row));
    return effectiveRule(table, rulesFrom(rows)(table), isOwn);
  }

  /** The hash of the rules that this node goes by. */
  get hash(): string {
    return this.engine.schema.rulesHash;
  }

  outcomeOf(change: string): RuleOutcome {
    if (this.underWay === change) return 'undecided';
    return this.rows().some((row) => row.change === change) ? 'adopted' : 'unknown';
  }

  /** The coordinator: freezes this node. Throws what keeps it from that. */
  begin(change: RuleChange): void {
    if (this.members.isReader) throw decidesNothing(this.self.node);
    this.refuseUnlessFree();
    refuseIfInQuestion(this.engine, leavingTables(this.engine, this.rows(), change));
    this.engine.freeze.coordinating = change;
  }

  /**
   * The coordinator: sets the rules, and with that has decided. Returns why not when the votes do not allow it; nothing
   * has changed then.
   */
  decide(votes: readonly RuleVote[], operation: OperationRecord): string | null {
    const { engine } = this;
    const change = engine.freeze.coordinating;
    if (change === null) throw new Error('a change of the rules was decided that had not begun');
    const obstacle = this.obstacle(change, votes);
    if (obstacle !== null) return obstacle;
    this.goBy(change, () => {
      insertOperation(engine.options.writer, operation, engine.clock.nowMs());
      engine.logOwnWrite(OPERATION_TABLE.id, OP.insert, [operation.id], 0);
    });
    engine.freeze.coordinating = null;
    return null;
  }

  /** The coordinator: lets go of a change that it has not decided. */
  giveUp(): void {
    this.engine.freeze.coordinating = null;
  }

  /** Have all members the same, by what this node has heard of them? */
  isAgreedAsHeard(): boolean {
    const { acknowledgements } = this.engine;
    const others = this.members.belonging().filter(({ name }) => name !== this.self.node);
    const heard = others.map(({ name: node, nodeId }) => {
      // It has everything up to its horizon, whether or not its vector still names the session.
      const { vector, horizon: dropped } = acknowledgements.all.get(nodeId) ?? { vector: {}, horizon: 0 };
      return { node, vector, dropped };
    });
    return membersBehind([this.self, ...heard]).length === 0;
  }

  private get self(): FrozenMember {
    const { state } = this.engine;
    return { node: state.get('node'), vector: Object.fromEntries(state.vector), dropped: state.get('dropped') };
  }

  private obstacle(change: RuleChange, votes: readonly RuleVote[]): string | null {
    const { self } = this;
    const { id } = change;
    const { state, schema } = this.engine;
    const members = this.members.names();
    for (const name of members) {
      if (name === self.node) continue;
      const vote = votes.find(({ hello }) => hello.node === name);
      if (vote === undefined) return `${name} has not agreed`;
      if (vote.hello.ruleChange !== id || vote.hello.rulesHash !== schema.rulesHash)
        return `${name} goes by other rules`;
      if (vote.hello.catchingUp) return `${name} is catching up`;
      if (vote.members.join() !== members.join()) return `${name} knows other members`;
    }
    if (state.get('catch_up') !== '') return 'this node is catching up';
    const behind = membersBehind([self, ...votes.map(({ hello }) => hello)]);
    if (behind.length > 0) return `${behind.join(', ')} had not received what others had`;
    return reasonToWait(this.engine, this.members, leavingTables(this.engine, this.rows(), change));
  }

  /**
   * A member: promises to go along, and joins nothing until it hears the outcome.
   * @param base the hash of the rules that the change starts from
   */
  prepare(change: RuleChange, base: string): void {
    const { engine } = this;
    if (this.waiting?.change.id === change.id) return;
    this.refuseUnlessFree();
    if (this.aborted.includes(change.id)) throw givenUp(change);
    if (base !== engine.schema.rulesHash) {
      throw new SqlsyncError('rules-differ', 'the change starts from rules that this node does not go by', {
        hint: 'compare: `sqlsync rules`',
      });
    }
    const leaving = leavingTables(engine, this.rows(), change);
    refuseIfInQuestion(engine, leaving);
    const reason = reasonToWait(engine, this.members, leaving);
    if (reason !== null) {
      throw new SqlsyncError('unsent-changes', reason, { hint: 'let it sync, and type it again when less is written' });
    }
    const waiting = { change, coordinator: change.node, since: engine.clock.nowMs() };
    this.durably(() => engine.freeze.setWaiting(waiting));
  }

  private refuseUnlessFree(): void {
    const { engine } = this;
    const node = engine.state.get('node');
    engine.freeze.refuse();
    if (engine.state.get('catch_up') !== '') {
      throw new SqlsyncError('catching-up', `${node} is catching up`, { hint: 'try again when it is whole' });
    }
    // They are joined only when they have a place.
    const [table] = engine.held.summary().tables;
    if (table === undefined) return;
    throw new SqlsyncError('schema-differs', `${node} keeps rows of ${table.name} aside: ${table.why}`, {
      hint: `run the application’s migration on ${node} first`,
    });
  }

  /** A member: the change is decided. Throws 'rules-differ' when it was not waited for here. */
  commit(change: string, decider: string): void {
    const { engine, waiting } = this;
    if (waiting?.change.id === change && waiting.coordinator === decider) this.adopt(waiting);
    else if (this.outcomeOf(change) !== 'adopted') {
      throw new SqlsyncError('rules-differ', `${engine.state.get('node')} did not wait for this change of the rules`, {
        hint: 'compare: `sqlsync rules`',
      });
    }
  }

  /** A member: the change will not be. */
  abort(change: string, decider: string): void {
    const { waiting } = this;
    if (waiting?.change.id === change && waiting.coordinator !== decider) throw rulesChanging(waiting.coordinator);
    this.forget(change);
    if (waiting?.change.id === change) this.durably(() => this.engine.freeze.setWaiting(null));
  }

  /**
   * Adopts the change that is waited for here if this peer goes by it: then it has been decided. Not when the one who
   * decides has changed: what the first one has decided since counts only as far as the second one has found it.
   */
  learnFrom(peer: Pick<Hello, 'rulesHash'>): boolean {
    const { waiting } = this;
    if (waiting === null || waiting.coordinator !== waiting.change.node) return false;
    if (peer.rulesHash !== this.hashAfter(waiting.change)) return false;
    this.adopt(waiting);
    return true;
  }

  /**
   * A member: from here on `successor` decides about the change, since its coordinator no longer belongs. Returns what is
   * known of it here.
   */
  fence(change: string, successor: string): RuleOutcome {
    const { engine, waiting } = this;
    const outcome = this.outcomeOf(change);
    if (outcome === 'adopted') return outcome;
    if (waiting === null || waiting.change.id !== change) {
      // It was never waited for here, or no longer is: so it was not decided, and must not be from here on.
      this.forget(change);
      return 'unknown';
    }
    this.durably(() => engine.freeze.setWaiting({ ...waiting, coordinator: successor }));
    return 'undecided';
  }

  private forget(change: string): void {
    this.aborted.push(change);
    if (this.aborted.length > ABORTED_MAX) this.aborted.shift();
  }

  private adopt({ change }: WaitingChange): void {
    this.goBy(change, () => this.engine.freeze.setWaiting(null));
  }

  /**
   * Sets the rules in the file, together with what is said there of the change, and goes by them from here on. Which
   * tables are captured is decided anew before anything else is done with the file (capture-repair.ts).
   */
  private goBy(change: RuleChange, note: () => void): void {
    const { engine } = this;
    const before = this.rows();
    const leaving = leavingTables(engine, before, change);
    const rows = this.durably(() => {
      note();
      if (leaving.length > 0) engine.state.set('leaving', JSON.stringify(leaving));
      return writeRules(engine.options.writer, change);
    });
    // Nothing from here on can fail.
    this.previousHash = engine.schema.rulesHash;
    engine.tables.goBy(rulesFrom(rows));
    const tables = engine.tables.all.map(({ captured }) => captured);
    engine.schema = { ...engine.schema, tables, rulesHash: rulesHash(rows) };
    if (decidesTables(change, before)) engine.schemaVersion = NOT_READ;
  }

  /** What this node has promised others survives a loss of power. */
  private durably<Result>(work: () => Result): Result {
    return durably(this.engine.options.writer, () => this.engine.writeTransaction(work));
  }

  private hashAfter(change: RuleChange): string {
    return rulesHash(rowsAfter(this.rows(), change));
  }
}

function givenUp({ node }: RuleChange): SqlsyncError {
  return new SqlsyncError('rules-changing', `${node} has given this change of the rules up`, { hint: 'type it again' });
}
