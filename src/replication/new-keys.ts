/**
 * The rule `rekey` for a node that seeds itself afresh: a row that only it has, and whose allocated key another row of the
 * seed has, is written again under the key that it gets wherever the two meet. What this node has written since then, and
 * nobody else has, meant that row and goes along.
 */
import { changedPlaces } from './move-references.js';
import type { NewHome } from './new-home.js';
import type { ReplicatedTable } from './replicated-table.js';
import { canonicalKey } from './row-key.js';
import type { SqlValue } from './row-version.js';
import type { PartialImage, RowOfFile } from './seed-row.js';

export class NewKeys {
  private readonly homes = new Map<string, NewHome>();
  private readonly followers = new Map<NewHome, number>();

  /** Says whether that is news. */
  add(home: NewHome): boolean {
    const name = nameOf(home.table, home.key);
    if (this.homes.has(name)) return false;
    this.homes.set(name, home);
    return true;
  }

  of(table: ReplicatedTable, key: readonly SqlValue[]): NewHome | undefined {
    return this.homes.get(nameOf(table, key));
  }

  /** How many rows' references have gone along. */
  followersOf(home: NewHome): number {
    return this.followers.get(home) ?? 0;
  }

  noteFollowed(homes: readonly NewHome[]): void {
    for (const home of homes) this.followers.set(home, this.followersOf(home) + 1);
  }

  /**
   * The row's image with its references to the rows' new keys, and which those are.
   * @param isOwn whether the value at a place is a write that only this node has
   */
  refer(
    table: ReplicatedTable,
    { image, stamps }: Pick<RowOfFile, 'image' | 'stamps'>,
    isOwn: (place: number) => boolean,
  ): { readonly image: PartialImage | null; readonly followed: readonly NewHome[] } {
    if (image === null || this.homes.size === 0) return { image, followed: [] };
    const changed = [...image];
    const followed: NewHome[] = [];
    for (const reference of table.references) {
      const home = this.homeMeant(reference, image);
      const changes = home === undefined ? null : changedPlaces(reference, home);
      if (home === undefined || changes === null) continue;
      const isMeant = [...changes.keys()].every((place) => isOwn(place) && (stamps[place]?.hlc ?? 0) >= home.life.hlc);
      if (!isMeant || changes.size === 0) continue;
      for (const [place, value] of changes) changed[place] = value;
      followed.push(home);
    }
    return { image: changed, followed };
  }

  private homeMeant(
    { child, parent, key }: ReplicatedTable['references'][number],
    image: PartialImage,
  ): NewHome | undefined {
    const values = (key.identityPlaces ?? []).map((place) => {
      const name = key.childColumns[place]?.name ?? '';
      return image[child.definition.columns.indexOf(name)];
    });
    if (values.length === 0 || values.some((value) => value === undefined || value === null)) return undefined;
    return this.of(parent, values as SqlValue[]);
  }
}

function nameOf({ captured, collations }: ReplicatedTable, key: readonly SqlValue[]): string {
  return `${captured.id} ${canonicalKey(key, collations)}`;
}
