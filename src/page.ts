/** Lists that come page by page: a cursor is the place of the last item, in a form that nobody is meant to read. */
import { SqlsyncError } from './errors.js';
import { parseJson } from './parse-json.js';

/** A list as `--json` prints it. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** On all pages. */
  readonly total: number;
  /** Null: this was the last page. */
  readonly nextCursor: string | null;
}

/** A list that comes whole. */
export function wholeList<Item>(items: readonly Item[]): Page<Item> {
  return { items, total: items.length, nextCursor: null };
}

export function cursorOf(place: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** The place a cursor stands for. Throws `usage` when it is none: `kinds` are the types of its parts. */
export function placeOf(cursor: string, kinds: readonly ('string' | 'number')[]): (string | number)[] {
  const place = parseJson(Buffer.from(cursor, 'base64url').toString());
  const isPlace = Array.isArray(place) && place.length === kinds.length;
  if (isPlace && kinds.every((kind, i) => typeof place[i] === kind)) return place as (string | number)[];
  throw new SqlsyncError('usage', `"${cursor}" is no cursor of such a list`, {
    hint: 'Take nextCursor of the list before.',
  });
}
