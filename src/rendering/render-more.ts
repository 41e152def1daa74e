/** The end of a list that goes on. */
import type { Page } from '../page.js';

/** A line that says how many there are and how to see the next; none when these are all. */
export function renderMore({ items, total, nextCursor }: Page<unknown>): string[] {
  if (nextCursor === null) return [];
  return [`${items.length.toLocaleString('en')} of ${total.toLocaleString('en')}; next: --cursor ${nextCursor}`];
}
