/**
 * Which tables of an application replicate, as far as the rules of the data set say. A rule's table may be a glob; the
 * rule for a table's own name comes before globs, and of these the longer before the shorter.
 */
import { matchesGlob } from './glob.js';
import type { RuleRow } from './rules.js';

/** True: taken in when it appears; false: left out; null: no rule says. */
export function inclusionBy(rows: readonly RuleRow[]): (table: string) => boolean | null {
  const deciding = rows.filter(({ included }) => included !== null).sort((x, y) => y.tbl.length - x.tbl.length);
  return (table) => {
    const own = deciding.find(({ tbl }) => tbl === table) ?? deciding.find(({ tbl }) => matchesGlob(tbl, table));
    return own === undefined ? null : own.included !== 0;
  };
}
