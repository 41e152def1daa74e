/**
 * Looks for rows that are left without a parent, once a cut is in: among what has arrived since the last look, in the
 * order of arrival, a bounded run at a time. Where the look stands is kept in the file (`unjudged`): a catch-up in parts
 * is judged when it is whole, and what a crash has interrupted is judged again. A file without foreign keys is not looked
 * at.
 */
import type { ApplyContext } from './apply-context.js';
import { isCatchingUp } from './catch-up.js';
import type { FormerParents } from './former-parents.js';
import type { NodeState } from './node-state.js';
import type { Window } from './referring-rows.js';
import type { Reference, ReplicatedTable, ReplicatedTables } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import type { SqlValue } from './row-version.js';
import { type FoundOrphan, settleOrphans } from './settle-orphans.js';

/** `unjudged` when nothing is left to look at. */
const NOTHING = -1;

/** A parent that is gone, and the values that its children hold. */
interface LostParent {
  readonly key: readonly SqlValue[];
  readonly values: readonly SqlValue[];
}

export class Orphans {
  constructor(
    private readonly state: NodeState,
    private readonly tables: ReplicatedTables,
    private readonly former: FormerParents,
  ) {}

  /** Is there anything to look at now? Nothing is settled before. */
  get isDue(): boolean {
    return this.state.get('unjudged') !== NOTHING && !isCatchingUp(this.state);
  }

  /** What arrives from here on is to be looked at. */
  begin(): void {
    if (this.tables.references.length === 0 || this.state.get('unjudged') !== NOTHING) return;
    this.state.set('unjudged', this.state.get('arrival'));
  }

  /** What memory holds of the tables may be of a transaction that was rolled back. */
  forget(): void {
    for (const { parent } of this.tables.references) parent.metadata.forgetTombstones();
  }

  /**
   * Looks at a run of at most `limit` arrivals, inside the caller's transaction, in which everything is folded. What it
   * writes arrives when it is folded, and is looked at in its turn: so what goes on goes on until nothing changes.
   */
  step(limit: number, context: ApplyContext): void {
    const [after, arrival] = [this.state.get('unjudged'), this.state.get('arrival')];
    if (after >= arrival) {
      this.state.set('unjudged', NOTHING);
      return;
    }
    const window = { after, upTo: Math.min(arrival, after + limit) };
    const found = this.tables.references.flatMap((reference) => this.find(reference, window));
    settleOrphans(found, context);
    this.state.set('unjudged', window.upTo);
  }

  private find(reference: Reference, window: Window): FoundOrphan[] {
    const { key, parent } = reference;
    const found = key.identityPlaces === null ? this.findByValues(reference, window) : [];
    if (key.identityPlaces !== null && parent.metadata.mayHaveTombstones) {
      for (const rows of [reference.rows.ofChildrenIn(window), reference.rows.ofParentsIn(window)])
        found.push(...rows.map((row) => ({ reference, ...row })));
    }
    // No application has left their children behind: settled ones count too.
    if (this.former.mayHaveDeletedItself)
      found.push(...this.childrenOf(reference, this.deletedHere(reference, window), 'all'));
    return found;
  }

  /** Where the foreign key means other columns than the parent's key: only what is kept of it tells who has held them. */
  private findByValues(reference: Reference, window: Window): FoundOrphan[] {
    const { parent, key, rows } = reference;
    if (!this.former.mayHoldAny) return [];
    const arrived = rows.danglingIn(window).flatMap(({ childKey, values }) => {
      const holders = this.former.holdersOf(parent, key, values);
      return holders.map((parentKey) => ({ reference, childKey, parentKey }));
    });
    return [...arrived, ...this.childrenOf(reference, this.former.givenUpIn(parent, key, window), 'unsettled')];
  }

  /** Parents that this node's engine deleted by itself, and that arrived as tombstones in the window. */
  private deletedHere({ parent, key }: Reference, window: Window): LostParent[] {
    const own = parent.metadata
      .tombstonesIn(window.after, window.upTo)
      .filter((parentKey) => this.former.causeOf(parent, parentKey) !== null);
    if (key.identityPlaces !== null) return own.map((parentKey) => ({ key: parentKey, values: parentKey }));
    return own.map((parentKey) => ({ key: parentKey, values: this.valuesOf(parent, parentKey, key.parentColumns) }));
  }

  private valuesOf(
    parent: ReplicatedTable,
    key: readonly SqlValue[],
    columns: readonly { readonly name: string }[],
  ): SqlValue[] {
    const image = this.former.imageOf(parent, key) ?? [];
    return columns.map(({ name }) => image[parent.definition.columns.indexOf(name)] ?? null);
  }

  /** The rows that refer to these, through their index or else at once. */
  private childrenOf(reference: Reference, lost: readonly LostParent[], which: 'all' | 'unsettled'): FoundOrphan[] {
    if (lost.length === 0) return [];
    const { key, parent, rows } = reference;
    const found = (childKey: readonly SqlValue[], parentKey: readonly SqlValue[]) => ({
      reference,
      childKey,
      parentKey,
    });
    if (rows.isIndexed)
      return lost.flatMap((one) => rows.ofValues(one.values, which, true).map((childKey) => found(childKey, one.key)));
    const collations =
      key.identityPlaces === null ? key.parentColumns.map(({ collation }) => collation) : parent.collations;
    const byValues = new Map(lost.map((one) => [canonicalKey(one.values, collations), one.key]));
    return (which === 'all' ? rows.danglingOfAll() : rows.danglingIn()).flatMap(({ childKey, values }) => {
      const parentKey = byValues.get(canonicalKey(values, collations));
      return parentKey === undefined ? [] : [found(childKey, parentKey)];
    });
  }
}
