/** Tables of which writes may have gone unrecorded, until that is written down in the file as a gap. */
import { widenGap } from './capture-gap.js';
import type { NodeState } from './node-state.js';

export class MissedWrites {
  private tables: string[] = [];

  get isDue(): boolean {
    return this.tables.length > 0;
  }

  add(tables: readonly string[]): void {
    this.tables.push(...tables);
  }

  /** Inside a transaction. They are forgotten only once they are known to be written down: this one may be rolled back. */
  note(state: NodeState, nowMs: number): void {
    if (!this.isDue) return;
    const stored = state.get('gap');
    const gap = widenGap(stored, this.tables, nowMs);
    if (gap === stored) this.tables = [];
    else state.set('gap', gap);
  }
}
