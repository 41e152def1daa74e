/** Tables of which writes may have gone unrecorded, until that is written down in the file as a gap. */
import { type Acknowledged, type CaptureGap, parseGap, widenGap } from './capture-gap.js';
import type { NodeState } from './node-state.js';

/** What is known at the moment from which on all writes are recorded again. */
export interface KnownBefore {
  /** The log's newest entry. */
  readonly newest: number;
  /** What other members have acknowledged, by node id. */
  readonly acknowledged: ReadonlyMap<string, Acknowledged>;
}

export class MissedWrites {
  private tables: string[] = [];
  /** The gap as it was last written down here; the transaction may have been rolled back. */
  private noted: string | null = null;

  get isDue(): boolean {
    return this.tables.length > 0;
  }

  add(tables: readonly string[]): void {
    if (tables.length === 0) return;
    this.tables.push(...tables);
    this.noted = null;
  }

  /**
   * Inside a transaction, with all triggers back. They are forgotten only once they are known to be written down: this one
   * may be rolled back.
   */
  note(state: NodeState, nowMs: number, known: KnownBefore): void {
    const stored = state.get('gap');
    if (stored === this.noted) this.tables = [];
    else if (this.isDue) this.write(state, widenGap(stored, this.tables, nowMs), known);
    // Another process has written it down, which does not know how far the log has come.
    else if (parseGap(stored)?.seenFrom === undefined) this.write(state, stored, known);
    else this.noted = stored;
  }

  private write(state: NodeState, stored: string, { newest, acknowledged }: KnownBefore): void {
    const gap = parseGap(stored);
    const told = [...acknowledged].map(([id, { vector, horizon }]) => [id, { vector, horizon }] as const);
    const had = gap?.had ?? Object.fromEntries(told);
    this.noted = gap === null ? '' : JSON.stringify({ ...gap, seenFrom: newest, had } satisfies CaptureGap);
    state.set('gap', this.noted);
  }
}
