/**
 * Holds again, in a seed that is nobody's yet, what has no place in its tables: rows that wait for a table in the file that
 * it replaces, and what was written to rows that wait in the seed itself. They come in with the application's migration, on
 * whichever node that runs first.
 *
 * Like all that is written again they are writes that this node makes now, and know what the seed has of the row. With the
 * stamps that they had, whoever has settled more than those would refuse them.
 */
import { readAbsences } from './absence-table.js';
import { isWithinVersion } from './apply-row.js';
import { fitOf } from './column-mapping.js';
import { HeldRows } from './held-rows.js';
import type { LeftRow } from './left-behind.js';
import type { NodeState } from './node-state.js';
import type { OperatorWrites } from './operator-writes.js';
import type { ReplicatedTables } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import { columnStampOf, type RowVersion, vectorOf, withColumnIds } from './row-version.js';
import type { SeedKnowledge } from './seed-knowledge.js';
import type { Stamp } from './stamp.js';
import { namesOf, readTableHistory, type TableHistory } from './table-history.js';

/** A version that is held again. */
interface HeldVersion {
  /** As it was in the file. */
  readonly version: RowVersion;
  readonly seenUpTo: number;
  readonly stamp: Stamp;
}

export class HeldAgain {
  private readonly held: HeldRows;
  private readonly history: TableHistory;
  /** Tables that some node has said not to have any more. */
  private readonly absent: ReadonlySet<string>;
  /** Versions of one row of which none has seen the other are each of a session of their own. */
  private readonly sessions: string[] = [];
  private readonly versions = new Map<string, HeldVersion[]>();
  private hlc = 0;

  /** @param state the seed's */
  constructor(
    private readonly writes: OperatorWrites,
    private readonly state: NodeState,
    private readonly tables: ReplicatedTables,
    private readonly knowledge: SeedKnowledge,
    private readonly nowMs: number,
  ) {
    this.history = readTableHistory(writes.db);
    this.held = new HeldRows(writes.db, state, tables, this.history);
    const absences = readAbsences(writes.db).filter(({ fate }) => fate !== 'present');
    this.absent = new Set(absences.map(({ table }) => table));
  }

  /** Does a version of the row wait in the seed? */
  waits({ table: { definition }, key }: LeftRow): boolean {
    return this.held.horizonOf(() => namesOf(definition.name, this.history, {}), definition, key) !== null;
  }

  /** Says whether the row waits in the seed from now on. Where its table is gone, nothing would ever bring it in. */
  take(row: LeftRow): boolean {
    const { definition } = row.table;
    const isOwn = (stamp: Stamp) => this.knowledge.whereabouts(stamp) === 'only-here';
    if (!this.mayComeIn(row) || !ownStamps(row).some(isOwn)) return false;
    const name = `${canonicalKey(row.key, definition.collations)} ${definition.name}`;
    const others = this.versions.get(name) ?? [];
    const seenUpTo = row.seenUpTo ?? 0;
    if (others.some((other) => isWithinVersion(row.version, other.version, other.seenUpTo))) return true;
    const known = others.filter(({ version }) => isWithinVersion(version, row.version, seenUpTo));
    const stamp = this.nextStamp(others.length);
    this.versions.set(name, [...others, { version: row.version, seenUpTo, stamp }]);
    const vector = this.knowledge.within(vectorOf(row.version));
    for (const { session, hlc } of [...known.map((other) => other.stamp), stamp]) vector.set(session, hlc);
    this.put(row, { ...stampedAnew(row.version, stamp, isOwn), vector });
    return true;
  }

  private mayComeIn(row: LeftRow): boolean {
    const { name } = row.table.definition;
    if (this.absent.has(name)) return false;
    if (this.tables.named(name) !== undefined || this.waits(row)) return true;
    return !this.history.has(name) && !this.history.dropped.has(name);
  }

  private nextStamp(session: number): Stamp {
    this.sessions[session] ??= this.state.newSession();
    this.hlc = Math.max(this.hlc + 1, this.writes.nextHlc());
    return { hlc: this.hlc, session: this.sessions[session] as string };
  }

  private put({ table: { definition, columnIds }, key, image, seenUpTo }: LeftRow, version: RowVersion): void {
    const fit = fitOf(this.tables.named(definition.name), definition);
    const why = 'why' in fit ? fit.why : 'another version of the row waits';
    const placed = withColumnIds(version, (id) => columnIds.indexOf(id));
    const { nowMs, knowledge } = this;
    const horizon = knowledge.horizonOf(seenUpTo);
    this.held.put(definition, { key, row: { version: placed, image } }, { why, horizon, nowMs });
  }

  /** The seed knows from here on what it holds, and writes nothing earlier. */
  finish(): void {
    const { writes, state, hlc } = this;
    if (hlc === 0) return;
    if (writes.log.last() < hlc) writes.log.appendMarker(hlc);
    state.raiseVector(this.sessions.map((session) => [session, hlc] as const));
    state.saveArrival();
  }
}

function ownStamps({ table: { columnIds }, version, image }: LeftRow): Stamp[] {
  return image === null ? [version.life] : [version.life, ...columnIds.map((id) => columnStampOf(version, id))];
}

/** What of the version is this node's alone is written by this stamp. */
function stampedAnew(version: RowVersion, stamp: Stamp, isOwn: (stamp: Stamp) => boolean): RowVersion {
  // What it says from now on it leaves unsaid no more.
  const unsaid =
    version.unsaid && new Map([...version.unsaid].filter(([, rank]) => rank === null || !isOwn(rank.stamp)));
  if (isOwn(version.life)) return { ...version, life: stamp, stamp, columnStamps: null, unsaid };
  const entries = [...(version.columnStamps ?? [])].map(([id, own]) => [id, isOwn(own) ? stamp : own] as const);
  return { ...version, stamp, columnStamps: version.columnStamps && new Map(entries), unsaid };
}
