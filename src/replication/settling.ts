/**
 * Settling: what every member has needs no metadata. Raises the horizon as far as the members' words allow, drops the
 * metadata of rows within it, lets ended sessions leave the vector once every member's horizon has passed them, and
 * forgets their names when nothing refers to them any more. Bounded pieces, each in a transaction of its own.
 */
import type { Engine } from './engine.js';
import { GoneTables } from './gone-tables.js';
import { computeHorizon } from './horizon.js';
import { giveUpCatchUp, isCatchUpLost } from './lost-catch-up.js';
import type { Members } from './members.js';
import { forEachSessionOf } from './metadata.js';
import { followAccess, SentWrites, WRITES } from './read-only.js';
import type { RulesHeard } from './rules-heard.js';
import { nodeOf } from './version-vector.js';

/** Rows looked at in one transaction of upkeep. */
export const UPKEEP_ROWS_MAX = 5000;

/** Where a pass over all tables has come to. */
interface Pass {
  readonly horizon: number;
  readonly table: number;
  readonly arrival: number;
}

export class Settling {
  private pass: Pass | null = null;
  /** Everything within this horizon is settled, but for tables that have been passed over. */
  private settledHorizon = -1;
  /**
   * Tables of which rows wait for the schema: what such a row will be joined with must still be known then. And tables of
   * which writes may have gone unrecorded: what closes the gap has to know whose write a row holds.
   */
  private passedOver: ReadonlySet<string> = new Set();
  /** Might there be names of sessions that nothing refers to? */
  private mayHaveNames = true;
  /** Held rows of tables that nobody has any more. */
  readonly gone: GoneTables;

  constructor(
    private readonly engine: Engine,
    private readonly members: Members,
    private readonly rulesHeard: RulesHeard,
  ) {
    this.gone = new GoneTables(engine, members);
  }

  /**
   * Saves what was acknowledged, gives up a catch-up that is lost, and settles a bounded part of what can be.
   * @param maySettle no: a stage is half applied
   * @returns whether more is left, and whether something was written that is news to peers
   */
  step(maySettle: boolean): { more: boolean; hasNews: boolean } {
    const { engine } = this;
    engine.acknowledgements.countArrived();
    const isLost = isCatchUpLost(engine, this.members);
    if (!isLost && !this.isDue(maySettle)) return { more: false, hasNews: false };
    return engine.writeTransaction(() => {
      const folded = engine.state.get('folded');
      if (isLost) giveUpCatchUp(engine);
      engine.cursors.save();
      // A removal that is not folded yet would pass for one that every member has acknowledged.
      const more = maySettle && (!engine.foldBeforeApply() || this.gone.step() || this.settle());
      engine.acknowledgements.save();
      this.rulesHeard.save();
      return { more, hasNews: engine.state.get('folded') > folded };
    });
  }

  private isDue(maySettle: boolean): boolean {
    const { acknowledgements, cursors } = this.engine;
    const hasUnsaved = acknowledgements.hasUnsaved || cursors.hasUnsaved || this.rulesHeard.hasUnsaved;
    if (hasUnsaved || this.pass !== null) return true;
    if (!maySettle) return false;
    if (this.hasOtherAccess() || this.gone.isDue) return true;
    return this.mayRowsSettle(this.horizon()) || this.endedSessions().length > 0;
  }

  private mayRowsSettle(horizon: number): boolean {
    if (horizon > this.settledHorizon) return true;
    if (this.passedOver.size === 0) return false;
    const waiting = this.tablesThatWait();
    return [...this.passedOver].some((name) => !waiting.has(name));
  }

  /** Tables in a gap, and those of which rows are held, under the names that they have here by now. */
  private tablesThatWait(): ReadonlySet<string> {
    const { held, fates, state } = this.engine;
    const names = [...held.waitingTables()].map((name) => fates.history.renamed.get(name) ?? name);
    return new Set([...names, ...(state.captureGap?.tables ?? [])]);
  }

  private hasOtherAccess(): boolean {
    const { state } = this.engine;
    const known = state.get('read_only');
    return this.members.isReadOnly(state.get('node_id')) === (known === WRITES);
  }

  /** As far as the members let it rise; a node that belongs no more raises it no more. */
  horizon(): number {
    const { state } = this.engine;
    const others = this.members.others();
    const known = state.get('horizon');
    if (others === null) return known;
    const computed = computeHorizon({
      vector: state.vector,
      folded: state.get('folded'),
      has: (session) => state.has(session),
      hold: this.engine.hold,
      others,
    });
    return Math.max(computed, known);
  }

  /** Says whether more is left to do. */
  private settle(): boolean {
    const { state } = this.engine;
    followAccess(this.engine, this.members.isReadOnly(state.get('node_id')));
    const horizon = this.horizon();
    state.set('horizon', horizon);
    if (this.mayRowsSettle(horizon)) this.settleRows(horizon);
    if (this.pass !== null) return true;
    this.dropSessions();
    this.forgetNames();
    return false;
  }

  private settleRows(horizon: number): void {
    const { state, tables } = this.engine;
    const from = this.pass?.horizon === horizon ? this.pass : { horizon, table: 0, arrival: 0 };
    const waiting = this.tablesThatWait();
    const isReader = state.get('read_only') !== WRITES;
    const unsent = isReader ? new SentWrites(this.engine).bySession() : new Map<number, number>();
    this.pass = null;
    for (let index = from.table; index < tables.all.length; index += 1) {
      const arrival = index === from.table ? from.arrival : 0;
      const { metadata, captured } = tables.all[index] as (typeof tables.all)[number];
      if (waiting.has(captured.name)) continue;
      const { next, edits, untold } = metadata.settle({
        horizon,
        afterArrival: arrival,
        limit: UPKEEP_ROWS_MAX,
        unsent,
      });
      if (edits > state.get('edits_floor')) state.set('edits_floor', edits);
      if (!captured.internal && untold > state.get('untold')) state.set('untold', untold);
      if (next === null) continue;
      this.pass = { horizon, table: index, arrival: next };
      return;
    }
    if (this.engine.former.dropWithin(horizon, UPKEEP_ROWS_MAX)) {
      this.pass = { horizon, table: tables.all.length, arrival: 0 };
      return;
    }
    this.settledHorizon = horizon;
    this.passedOver = waiting;
    this.mayHaveNames = true;
  }

  private dropSessions(): void {
    const { state, acknowledgements } = this.engine;
    const ended = this.endedSessions();
    if (ended.length > 0) {
      state.dropEntries(ended);
      this.mayHaveNames = true;
    }
    const known = new Set(this.members.all().map(({ nodeId }) => nodeId));
    const counted = new Set(this.members.counted().map(({ nodeId }) => nodeId));
    acknowledgements.forget(
      (session, hlc) => !state.vector.has(session) && hlc <= state.get('dropped'),
      (nodeId) => known.has(nodeId) && !counted.has(nodeId),
    );
  }

  /**
   * Sessions that every member's horizon has passed. Of each node the furthest stays, since it goes on with that one or
   * begins another beyond it. Of a node that belongs no more all stay: what it had sent before it was removed is all that
   * tells, when it comes back, what only it has.
   */
  private endedSessions(): string[] {
    const { state } = this.engine;
    const others = this.members.others();
    if (others === null) return [];
    const passed = others.reduce((min, { told }) => Math.min(min, told?.horizon ?? 0), state.get('horizon'));
    const belonging = new Set(this.members.names());
    const furthest = furthestOfEach(state.vector, state.session);
    return [...state.vector]
      .filter(([session, hlc]) => hlc <= passed && session !== state.session && belonging.has(nodeOf(session)))
      .map(([session]) => session)
      .filter((session) => furthest.get(nodeOf(session)) !== session);
  }

  /** Looks through all that is left of the metadata, when that is little. */
  private forgetNames(): void {
    const { state, tables, fates, options } = this.engine;
    const { writer } = options;
    if (!this.mayHaveNames) return;
    this.mayHaveNames = false;
    const names = state.namesOnly();
    if (names.size === 0) return;
    let rows = 0;
    for (const { metadata } of tables.all) {
      rows += metadata.count();
      if (rows > UPKEEP_ROWS_MAX) return;
    }
    for (const { metadata } of tables.all) metadata.forEachSession((id) => names.delete(id));
    for (const tableId of fates.history.dropped.values())
      if (tableId !== null) forEachSessionOf(writer, tableId, (id) => names.delete(id));
    state.forgetNames(names.keys());
  }
}

/** @param current of two that are equally far it is the one that stays */
function furthestOfEach(vector: ReadonlyMap<string, number>, current: string | null): Map<string, string> {
  const furthest = new Map<string, string>();
  for (const [session, hlc] of vector) {
    const node = nodeOf(session);
    const known = vector.get(furthest.get(node) ?? '') ?? -1;
    if (hlc > known || (hlc === known && session === current)) furthest.set(node, session);
  }
  return furthest;
}
