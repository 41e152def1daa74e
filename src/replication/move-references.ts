/**
 * Takes the rows that meant a row along when it gets another key. Only those that provably meant it: written, as far as
 * the reference goes, by the node that made the row, after it had made it. Had that node known of the other row under the
 * key when it wrote them, then this node would have heard from there that the two had met.
 *
 * A row whose own key holds the reference moves as a whole, with all that refers to it, or stays.
 */
import type { ApplyContext } from './apply-context.js';
import { OP } from './metadata-schema.js';
import type { NewHome } from './new-home.js';
import { insertByItself } from './own-writes.js';
import type { Reference, ReplicatedTable } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import { columnStampOf, type SqlValue } from './row-version.js';
import type { Stamp } from './stamp.js';
import { nodeOf } from './version-vector.js';

interface Move {
  readonly table: ReplicatedTable;
  readonly key: readonly SqlValue[];
  readonly newKey: readonly SqlValue[];
  readonly image: readonly SqlValue[];
  /** Ids of the columns that change. */
  readonly columns: readonly number[];
}

/** How deep keys that are made of keys may go. */
const NESTED_KEYS_MAX = 16;

/** What the reference becomes in an image of the child: place → value. Null where a generated column holds it. */
export function changedPlaces({ child, key }: Reference, { key: old, newKey }: NewHome): Map<number, SqlValue> | null {
  const changes = new Map<number, SqlValue>();
  for (const [i, place] of (key.identityPlaces ?? []).entries()) {
    const at = child.definition.columns.indexOf(key.childColumns[place]?.name ?? '');
    if (at < 0) return null;
    if (canonicalKey([old[i] as SqlValue], ['BINARY']) !== canonicalKey([newKey[i] as SqlValue], ['BINARY']))
      changes.set(at, newKey[i] as SqlValue);
  }
  return changes;
}

/** Is this stamp of the node that made the row, and not earlier than the row? */
export function isOfMaker(stamp: Stamp, { life }: Pick<NewHome, 'life'>, horizon: number): boolean {
  return nodeOf(stamp.session) === nodeOf(life.session) && stamp.hlc >= life.hlc && stamp.hlc > horizon;
}

export class ReferenceMoves {
  /** Of references without an index, who refers to what: read at once, at first need. */
  private readonly referrers = new Map<string, Map<string, (readonly SqlValue[])[]>>();

  constructor(private readonly context: ApplyContext) {}

  /** Moves what meant the row. Returns how many rows that were. */
  moveTo(home: NewHome): number {
    let moved = 0;
    for (const reference of home.table.referencedBy) {
      for (const childKey of this.referrersOf(reference, home.key, 'unsettled')) {
        const moves = this.plan(reference, childKey, home, NESTED_KEYS_MAX);
        if (moves !== null && this.carryOut(moves)) moved += moves.length;
      }
    }
    return moved;
  }

  private referrersOf(
    reference: Reference,
    values: readonly SqlValue[],
    which: 'all' | 'unsettled',
  ): readonly (readonly SqlValue[])[] {
    const { child, parent, key, rows } = reference;
    if (key.identityPlaces === null) return [];
    if (rows.isIndexed) return rows.ofValues(values, which, false);
    const name = JSON.stringify([child.captured.id, key.columnIds, which]);
    let byValues = this.referrers.get(name);
    if (byValues === undefined) {
      byValues = new Map();
      for (const row of which === 'all' ? rows.ofAll() : rows.ofUnsettled()) {
        const value = canonicalKey(row.values, parent.collations);
        byValues.set(value, [...(byValues.get(value) ?? []), row.childKey]);
      }
      this.referrers.set(name, byValues);
    }
    return byValues.get(canonicalKey(values, parent.collations)) ?? [];
  }

  /** The child with its reference to the new key, and all that has to move with it; null: not all of that is provable. */
  private plan(reference: Reference, childKey: readonly SqlValue[], home: NewHome, depth: number): Move[] | null {
    const { child } = reference;
    const image = child.rows.read(childKey);
    const changes = changedPlaces(reference, home);
    if (depth === 0 || image === null || changes === null || changes.size === 0) return null;
    const columns = [...changes.keys()].map((place) => child.columnIds[place] as number);
    if (!this.areOfMaker(child, childKey, columns, home)) return null;
    const moved = image.map((value, place) => changes.get(place) ?? value);
    const newKey = child.rows.keyOf(moved);
    const move: Move = { table: child, key: childKey, newKey, image: moved, columns };
    if (canonicalKey(newKey, child.collations) === canonicalKey(childKey, child.collations)) return [move];
    if (child.rows.exists(newKey)) return null;
    const nested = this.planReferrers({ table: child, key: childKey, newKey, life: home.life }, depth - 1);
    return nested === null ? null : [move, ...nested];
  }

  private planReferrers(home: NewHome, depth: number): Move[] | null {
    const moves: Move[] = [];
    for (const reference of home.table.referencedBy) {
      for (const childKey of this.referrersOf(reference, home.key, 'all')) {
        const more = this.plan(reference, childKey, home, depth);
        if (more === null) return null;
        moves.push(...more);
      }
    }
    return moves;
  }

  private areOfMaker(
    table: ReplicatedTable,
    key: readonly SqlValue[],
    columns: readonly number[],
    home: NewHome,
  ): boolean {
    const version = table.metadata.get(key);
    const horizon = this.context.state.get('horizon');
    return version !== undefined && columns.every((id) => isOfMaker(columnStampOf(version, id), home, horizon));
  }

  /** All of it, or nothing where a constraint refuses some. */
  private carryOut(moves: readonly Move[]): boolean {
    const { attempt, logOwnWrite } = this.context;
    const refusal = attempt(() => {
      for (const { table, key, newKey, image, columns } of moves) {
        if (canonicalKey(key, table.collations) === canonicalKey(newKey, table.collations)) {
          table.rows.write(image);
          logOwnWrite(table.captured.id, OP.update, key, columns);
        } else {
          insertByItself(table, newKey, image, this.context);
          table.rows.delete(key);
          logOwnWrite(table.captured.id, OP.delete, key);
        }
      }
    });
    return refusal === null;
  }
}
