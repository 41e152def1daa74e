/**
 * Applies a stage. A small one goes in whole, in one transaction, with its vector, horizon and cursor: readers see whole
 * cuts. A larger one goes in part by part, each a transaction that holds the write lock for a bounded time; until the
 * last part the node is catching up: it ships nothing and claims nothing, and a crash resumes from the stage, since rows
 * that are in are known again by their metadata.
 *
 * Phases: `inspect` (large stages only) looks for rows older than what this node has settled, changing nothing; `rows`
 * applies; `finish` settles UNIQUE collisions and takes over vector, horizon and cursor.
 */
import { SqlsyncError } from '../errors.js';
import { type ApplyContext, type ApplyCounts, contextFor, noCounts } from './apply-context.js';
import { applyRow, isKnown, noteRow, placeJoined } from './apply-row.js';
import { endCatchUp, isCatchingUp, markCatchingUp } from './catch-up.js';
import { type Fit, fitOf, type Misfit } from './column-mapping.js';
import { completeImage } from './complete-image.js';
import type { Engine } from './engine.js';
import { hlcToMs, nextHlc } from './hlc.js';
import { assertInternalRow } from './internal-rows.js';
import { KeyCollisions } from './key-collisions.js';
import { type Members, readOnlyRefusal } from './members.js';
import { refusalForEnd } from './peer-check.js';
import { isOthersSession, refuseIfAhead } from './peer-claims.js';
import { ownStanding } from './read-only.js';
import { isOurs } from './read-schema.js';
import { highestHlcOf, type RowVersion, vectorOf } from './row-version.js';
import { RULE_TABLE } from './rules.js';
import { settleKeyCollisions } from './settle-key-collisions.js';
import { settleParked } from './settle-unique.js';
import type { DecodedRows, Stage } from './stage.js';
import { rejoinHint, staleSide, standingOf } from './staleness.js';
import { waitsForParent } from './waiting-parents.js';
import type { TableDefinition } from './wire-messages.js';
import type { IncomingRow } from './wire-rows.js';

export interface ApplyStep {
  readonly done: boolean;
  /** Rows of the stage dealt with so far. */
  readonly rows: number;
}

/** How many rows pass between two looks at the clock, at most: no more than go into one transaction unasked. */
const ROWS_PER_CLOCK_MAX = 64;

/** A stage is rolled back and applied again: rows went in whose parents, it turned out, have to wait. */
class ParentsWait extends Error {}

export class Application {
  readonly counts: ApplyCounts = noCounts();
  private readonly isWhole: boolean;
  private readonly rowsPerClock: number;
  private phase: 'inspect' | 'rows' | 'done';
  private source: Iterator<IncomingRow> | null = null;
  private definitions: DecodedRows['tables'] = [];
  private fits: (Fit | Misfit)[] = [];
  private fitsFor: unknown = null;
  private rowsDone = 0;
  /** The highest HLC among the rows that came: the log must not stay below it. */
  private highest = 0;
  /** Tables of which rows wait, and those among them that this stage has shown to. */
  private waiting = new Set<string>();
  private readonly misfits = new Set<string>();
  /** Must the stage be applied again, with what is known of it by now? */
  private isTooLate = false;
  /** Null when the stage goes in part by part. */
  private keyCollisions: KeyCollisions | null = null;

  constructor(
    private readonly engine: Engine,
    private readonly members: Members,
    private readonly stage: Stage,
  ) {
    const { applyTransactionRowsMax, applyTransactionBytesMax } = engine.limits;
    this.isWhole = stage.rows <= applyTransactionRowsMax && stage.bytes <= applyTransactionBytesMax;
    this.rowsPerClock = Math.min(ROWS_PER_CLOCK_MAX, applyTransactionRowsMax);
    this.phase = this.isWhole ? 'rows' : 'inspect';
    this.refuseImpossible();
  }

  /** What a stream's end says is taken over as it is. */
  private refuseImpossible(): void {
    const { sender, end } = this.stage;
    const { clock, limits } = this.engine;
    refuseIfAhead(sender.node, end, { nowMs: clock.nowMs(), clockAheadSecondsMax: limits.clockAheadSecondsMax });
    if (isOthersSession(sender.node, end.session)) {
      throw new SqlsyncError('batch-refused', `${sender.node} counts in the order of another node’s session`);
    }
  }

  get isDone(): boolean {
    return this.phase === 'done';
  }

  /** One bounded piece of work, at most one transaction. Throws 'stale' when the stage cannot be applied any more. */
  step(): ApplyStep {
    if (this.phase === 'done') return { done: true, rows: this.rowsDone };
    if (this.phase === 'inspect') this.inspect();
    else if (this.changesNothing()) this.phase = 'done';
    else this.applyPart();
    return { done: this.phase === 'done', rows: this.rowsDone };
  }

  private *rows(): Generator<IncomingRow, void, undefined> {
    for (const batch of this.stage.batches()) {
      this.definitions = batch.tables;
      yield* batch.rows;
    }
  }

  /** An exchange without news writes nothing. */
  private changesNothing(): boolean {
    const { state } = this.engine;
    const { end } = this.stage;
    return (
      this.stage.rows === 0 &&
      !isCatchingUp(state) &&
      end.horizon <= state.get('horizon') &&
      Object.entries(end.vector).every(([session, hlc]) => state.has(session) >= hlc) &&
      this.learnFrom(end)
    );
  }

  /** What an exchange without rows tells is kept in memory; upkeep saves it. */
  private learnFrom(end: Stage['end']): true {
    this.engine.acknowledgements.learn(this.stage.sender.nodeId, end);
    if (end.session !== null) this.engine.cursors.set(end.session, end.cursor);
    return true;
  }

  private inspect(): void {
    const deadline = this.deadline();
    this.source ??= this.rows();
    for (let n = 1; ; n += 1) {
      const { value: row, done } = this.source.next();
      if (done) break;
      this.refuseIfSettled(row.version);
      if (n % this.rowsPerClock === 0 && this.engine.clock.nowMs() >= deadline) return;
    }
    this.source = null;
    this.phase = 'rows';
  }

  private deadline(): number {
    return this.engine.clock.nowMs() + this.engine.limits.lockHoldMsMax;
  }

  private applyPart(): void {
    const { engine } = this;
    let hasBegun = false;
    try {
      engine.writeTransaction(() => {
        hasBegun = true;
        this.refuseUnlessSameRules();
        if (!engine.foldBeforeApply()) return;
        this.refuseUnlessMember();
        if (this.rowsDone === 0) this.refuseIfStale();
        engine.orphans.begin();
        const isLast = this.applyRows(this.deadline());
        if (isLast) this.finish();
        else this.leaveHalfApplied();
      });
    } catch (error) {
      if (hasBegun) this.rewind();
      if (!(error instanceof ParentsWait)) throw error;
    }
  }

  /** Two nodes that join the same versions by different rules part for good. */
  private refuseUnlessSameRules(): void {
    const { freeze, schema } = this.engine;
    freeze.refuse();
    if (this.stage.sender.rulesHash !== schema.rulesHash) throw this.outdated('was sent under other rules');
  }

  /** After a rollback the stage is read again from its start: what parts before have applied is known again. */
  private rewind(): void {
    this.source = null;
    this.rowsDone = 0;
    this.isTooLate = false;
    this.phase = this.isWhole ? 'rows' : 'inspect';
    Object.assign(this.counts, noCounts());
  }

  /** Applies rows until the stage or the time is over. Says whether the stage is. */
  private applyRows(deadline: number): boolean {
    if (this.isWhole) this.keyCollisions = new KeyCollisions();
    this.waiting = new Set([...this.engine.held.waitingTables(), ...this.misfits]);
    const context = this.context();
    this.source ??= this.rows();
    for (let n = 1; ; n += 1) {
      const { value: row, done } = this.source.next();
      if (done && this.isTooLate) throw new ParentsWait();
      if (done) return true;
      this.applyOne(row, context);
      this.rowsDone += 1;
      if (!this.isWhole && n % this.rowsPerClock === 0 && this.engine.clock.nowMs() >= deadline) return false;
    }
  }

  private applyOne(incoming: IncomingRow, ofStream: ApplyContext): void {
    const { horizon } = this.definitionOf(incoming.tableIndex);
    const context =
      horizon === undefined ? ofStream : { ...ofStream, senderHorizon: Math.min(horizon, ofStream.senderHorizon) };
    if (this.isWhole) this.refuseIfSettled(incoming.version);
    if (incoming.key.includes(null)) {
      throw new SqlsyncError('batch-refused', `a row of table ${incoming.tableIndex} has NULL in its key`);
    }
    const { version } = incoming;
    const isPlain = version.vector === null && version.unsaid === undefined;
    const hlc = isPlain ? version.stamp.hlc : highestHlcOf(version);
    if (hlc > this.highest) {
      this.refuseIfFarAhead(hlc);
      this.highest = hlc;
    }
    const fit = this.fitOf(incoming.tableIndex);
    if ('why' in fit) {
      this.hold(incoming, fit.why, context);
      return;
    }
    const { key } = incoming;
    const local = fit.toLocal(incoming);
    const why = waitsForParent(fit.table, local.image, this.waiting);
    if (why !== null) {
      this.hold(incoming, why, context);
      return;
    }
    const row = completeImage(fit.table, { key, row: local }, fit.lacking, context.state);
    const { definition } = fit.table;
    if (row.row.image !== null && isOurs(definition.name))
      assertInternalRow(definition.name, definition.columns, row.row.image);
    // A version that was kept aside is known, and in no table yet.
    const names = () => this.engine.fates.namesOf(definition.name, this.stage.sender.renamed);
    const wasHeld = this.engine.held.supersede(names, definition, row, context.senderHorizon);
    if (wasHeld) placeJoined(fit.table, row, context);
    else applyRow(fit.table, row, context);
  }

  private hold({ tableIndex, key, ...row }: IncomingRow, why: string, context: ApplyContext): void {
    const { state, senderHorizon: horizon, nowMs, counts } = context;
    if (isKnown(row.version, state)) {
      counts.known += 1;
      return;
    }
    noteRow(row.version, state);
    const { horizon: _, ...definition } = this.definitionOf(tableIndex);
    this.engine.held.put(definition, { key, row }, { why, horizon, nowMs });
    this.noteWaiting(definition.name);
    counts.held += 1;
  }

  /** Children of its rows may have gone in before it was known that these must wait. */
  private noteWaiting(name: string): void {
    if (this.waiting.has(name)) return;
    this.waiting.add(name);
    this.misfits.add(name);
    const hasChildren = (this.engine.tables.named(name)?.referencedBy.length ?? 0) > 0;
    this.isTooLate ||= this.isWhole && hasChildren && this.rowsDone > 0;
  }

  private definitionOf(index: number): TableDefinition {
    const definition = this.definitions[index];
    if (definition === undefined)
      throw new SqlsyncError('batch-damaged', `a row names table ${index}, which is not defined`);
    return definition;
  }

  private fitOf(index: number): Fit | Misfit {
    if (this.fitsFor !== this.engine.tables) {
      this.fits = [];
      this.fitsFor = this.engine.tables;
    }
    const known = this.fits[index];
    if (known !== undefined) return known;
    const definition = this.definitionOf(index);
    const table = this.engine.tables.named(definition.name);
    const fit = fitOf(table, definition);
    // Rules do not travel as rows: they change in one step on all members (rule-changes.ts).
    if (('why' in fit && isOurs(definition.name)) || definition.name === RULE_TABLE.name) {
      throw new SqlsyncError(
        'batch-refused',
        `the peer sent rows of ${JSON.stringify(definition.name)}, which cannot be`,
      );
    }
    this.refuseIfReadOnly(definition.name);
    this.fits[index] = fit;
    return fit;
  }

  /** Once its own log has passed such a clock, this node could not go back to the right time. */
  private refuseIfFarAhead(hlc: number): void {
    const { clock, limits } = this.engine;
    const aheadSeconds = Math.round((hlcToMs(hlc) - clock.nowMs()) / 1000);
    if (aheadSeconds <= limits.clockAheadSecondsMax) return;
    throw new SqlsyncError('clock-ahead', `${this.stage.sender.node} sent a row from ${aheadSeconds} s ahead`, {
      hint: `set the clocks right; at most ${limits.clockAheadSecondsMax} s are taken (limits.clockAheadSecondsMax)`,
    });
  }

  private context(): ApplyContext {
    const { keyCollisions, counts } = this;
    const senderHorizon = this.stage.end.horizon;
    return contextFor(this.engine, { keyCollisions, counts, senderHorizon, beyond: () => this.highest });
  }

  private refuseIfStale(): void {
    const side = staleSide(ownStanding(this.engine), standingOf(this.stage.end));
    if (side === 'here') throw this.stale(this.engine.state.get('node'));
    // While the stage came and waited, all members have acknowledged more than its sender knew at its end.
    if (side === 'there') throw this.outdated('was overtaken while it waited here');
  }

  private outdated(why: string): SqlsyncError {
    return new SqlsyncError('batch-outdated', `what ${this.stage.sender.node} sent ${why}`, {
      hint: 'it is pulled anew by itself',
    });
  }

  /** A write that this node has not seen, but holds to be settled: it comes from one that was counted out. */
  private refuseIfSettled(version: RowVersion): void {
    const { state } = this.engine;
    const horizon = state.get('horizon');
    if (version.vector === null) {
      const { hlc, session } = version.stamp;
      if (hlc <= horizon && state.has(session) < hlc) throw this.stale(this.stage.sender.node);
      return;
    }
    for (const [session, hlc] of vectorOf(version)) {
      if (hlc <= horizon && state.has(session) < hlc) throw this.stale(this.stage.sender.node);
    }
  }

  private stale(who: string): SqlsyncError {
    return new SqlsyncError('stale', `${who} lacks changes that the others no longer keep`, { hint: rejoinHint(who) });
  }

  /** It may have been removed while what it had sent waited here. */
  private refuseUnlessMember(): void {
    const { state } = this.engine;
    const members = this.members.all();
    const here = { node: state.get('node'), nodeId: state.get('node_id') };
    const refusal = refusalForEnd(here, members) ?? refusalForEnd(this.stage.sender, members);
    if (refusal !== null) throw SqlsyncError.of(refusal);
  }

  /** Nothing comes from a read-only member, a change of who may write least of all. */
  private refuseIfReadOnly(table: string): void {
    const { node, nodeId } = this.stage.sender;
    if (this.members.isReadOnly(nodeId)) throw readOnlyRefusal(node, table);
  }

  private leaveHalfApplied(): void {
    this.passHighest();
    markCatchingUp(this.engine.state, this.stage);
    this.engine.state.saveArrival();
  }

  /** What applications write over a row that is in must be later than that row. */
  private passHighest(): void {
    const { log } = this.engine;
    if (log.last() < this.highest) log.appendMarker(nextHlc(this.highest - 1, 0));
  }

  /** The cut is in: settle what collides, and take over what the sender has. */
  private finish(): void {
    const { engine, stage } = this;
    const { state } = engine;
    const { end } = stage;
    const wasCatchingUp = isCatchingUp(state);
    state.raiseVector(Object.entries(end.vector));
    endCatchUp(state, stage.id);
    if (this.rowsDone > 0 || wasCatchingUp) {
      const context = this.context();
      // What another stage has parked may yet find room, when the rest of that one is in.
      if (!isCatchingUp(state)) settleParked(context);
      if (this.keyCollisions !== null) settleKeyCollisions(this.keyCollisions, context);
      state.countMerged(this.counts.merged);
      this.passHighest();
      engine.fates.lookAgain();
      if (this.isWhole) engine.foldToEnd();
      else engine.foldLogToEnd();
    }
    // Rows are judged by the horizon that was known when they came; it is heard again.
    if (end.horizon > state.get('horizon') && !engine.orphans.isDue) state.set('horizon', end.horizon);
    if (end.session !== null) engine.cursors.set(end.session, end.cursor);
    engine.cursors.save();
    engine.acknowledgements.learn(stage.sender.nodeId, end);
    engine.acknowledgements.save();
    state.saveArrival();
    this.phase = 'done';
  }
}
