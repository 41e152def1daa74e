/**
 * Which tables of an application replicate, as far as the rules of the data set say. A rule's table may be a glob. Of the
 * rules that match a table one decides, the same on every node and whatever the order in which they were made:
 *
 * 1. the one that is the table's own name, in whatever case, before any glob;
 * 2. of globs the longer one before the shorter: `*` comes last;
 * 3. of two that are as long the one that leaves out before the one that takes in.
 */
import { matchesGlob } from './glob.js';
import type { RuleRow } from './rules.js';

/** The rule that decides about a table. */
export interface DecidingRule {
  /** As it was typed. */
  readonly glob: string;
  readonly included: boolean;
  /** Is it the table's own name? */
  readonly isOwn: boolean;
}

/** The rules that take in or leave out, in the order in which they are asked. */
export function inclusionRules(rows: readonly RuleRow[]): RuleRow[] {
  const isGlob = ({ tbl }: RuleRow) => Number(/[*?]/.test(tbl));
  return rows
    .filter(({ included }) => included !== null)
    .sort(
      (x, y) =>
        isGlob(x) - isGlob(y) ||
        y.tbl.length - x.tbl.length ||
        Number(x.included) - Number(y.included) ||
        (x.tbl < y.tbl ? -1 : 1),
    );
}

/** What decides about tables, by name; null: no rule does. */
export function inclusionBy(rows: readonly RuleRow[]): (table: string) => DecidingRule | null {
  const rules = inclusionRules(rows);
  return (table) => {
    const name = table.toLowerCase();
    const own = rules.find(({ tbl }) => tbl === table) ?? rules.find(({ tbl }) => tbl.toLowerCase() === name);
    const rule = own ?? rules.find(({ tbl }) => matchesGlob(tbl, table));
    return rule === undefined ? null : { glob: rule.tbl, included: rule.included !== 0, isOwn: own !== undefined };
  };
}
