/**
 * Reads on in the changes of one file, a bounded batch at a time, and forgets nothing between two batches but its place.
 * There is no queue: whoever is slow reads later what the file still has, and is told when something has gone meanwhile.
 */
import type { Database } from 'better-sqlite3';
import type { ChangeHistory, ChangePlace } from '../replication/change-history.js';
import {
  type ChangeQuery,
  type ChangeReport,
  changeReport,
  formatPlace,
  openHistory,
  parsePlace,
} from './change-report.js';

export type ChangeEvent =
  /** The first: where following begins. */
  | { readonly type: 'ready'; readonly cursor: string }
  /** Following on from its cursor tells what comes after it. */
  | ({ readonly type: 'change'; readonly cursor: string } & ChangeReport)
  /** Changes between the two places are remembered no more: read the tables anew. */
  | { readonly type: 'missed'; readonly after: string; readonly cursor: string };

/** Changes of one batch. */
const BATCH_MAX = 500;

export class ChangeFollower {
  private history: ChangeHistory | null = null;
  private schemaVersion = -1;
  private place: ChangePlace | null = null;
  private sinceHlc = 0;
  private isFirst = true;
  private tag: string | null = null;
  private fileTag = '';
  /** Has a table gone of which other nodes' writes may not have been told? */
  private hasTableGone = false;
  /** Does it begin with what is past, as far as that is remembered? */
  private isPast = false;
  /** Is more there than the last batch held? */
  isBehind = true;

  /**
   * @param from a cursor or an HLC; null: only what comes from now on. Throws `usage` for what is neither.
   */
  constructor(
    private readonly db: Database,
    private readonly database: string,
    private readonly query: ChangeQuery,
    from: string | null,
  ) {
    if (from === null) return;
    const { sinceHlc, tag, ...place } = parsePlace(from);
    this.sinceHlc = sinceHlc;
    this.tag = tag;
    this.place = place;
  }

  /** The next batch, in one snapshot of the file; [] when nothing is new. Throws `usage` for what can not be asked. */
  next(): ChangeEvent[] {
    this.db.exec('BEGIN');
    try {
      return this.read(this.openHistory());
    } finally {
      if (this.db.inTransaction) this.db.exec('ROLLBACK');
    }
  }

  private begin(history: ChangeHistory): ChangeEvent[] {
    this.isFirst = false;
    this.fileTag = history.fileTag();
    const end = history.end();
    // What is asked for by time begins where memory does, and nobody has been promised more.
    this.isPast = this.place === null || this.tag === null;
    this.place ??= this.query.sinceMs === undefined ? end : { hlc: 0, arrival: 0 };
    const { hlc, arrival } = this.place;
    const isOfThis = this.tag === null || (this.tag === this.fileTag && hlc <= end.hlc && arrival <= end.arrival);
    if (isOfThis) {
      const isGone = this.sinceHlc > 0 && this.sinceHlc <= history.forgottenUpTo();
      const ready = { type: 'ready', cursor: this.cursorOf(this.place) } as const;
      return isGone ? [ready, this.missed(this.place, this.place)] : [ready];
    }
    // Of another file, or of this one before an older state was put in its place.
    const missed = this.missed(this.place, end);
    this.place = end;
    return [{ type: 'ready', cursor: this.cursorOf(end) }, missed];
  }

  private missed(after: ChangePlace, reached: ChangePlace): ChangeEvent {
    return { type: 'missed', after: this.cursorOf(after), cursor: this.cursorOf(reached) };
  }

  private cursorOf(place: ChangePlace): string {
    return formatPlace(place, this.fileTag);
  }

  /** Tables may have come and gone. */
  private openHistory(): ChangeHistory {
    const version = this.db.pragma('schema_version', { simple: true }) as number;
    if (this.history === null || version !== this.schemaVersion) {
      const history = openHistory(this.db, this.query, this.sinceHlc);
      this.hasTableGone ||= this.history !== null && !history.covers(this.history);
      this.history = history;
      this.schemaVersion = version;
    }
    return this.history;
  }

  private read(history: ChangeHistory): ChangeEvent[] {
    const events = this.isFirst ? this.begin(history) : [];
    let from = this.place as ChangePlace;
    const floor = history.floor();
    if (!this.isPast && (from.hlc < floor.hlc || from.arrival < floor.arrival)) {
      const reached = { hlc: Math.max(from.hlc, floor.hlc), arrival: Math.max(from.arrival, floor.arrival) };
      events.push(this.missed(from, reached));
      from = reached;
    }
    this.isPast = false;
    const { changes, place, more, lost } = history.after(from, BATCH_MAX);
    // What was in a table that has been dropped or renamed cannot be told by its name any more.
    if (lost || this.hasTableGone) events.push(this.missed(from, from));
    this.hasTableGone = false;
    for (const change of changes)
      events.push({ type: 'change', ...changeReport(this.database, change), cursor: this.cursorOf(change.place) });
    this.place = place;
    this.isBehind = more;
    return events;
  }
}
