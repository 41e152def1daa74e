/** What an operator asks of which tables replicate, and the row that it makes. Pure. */
import { SqlsyncError } from '../errors.js';
import { matchesGlob } from './glob.js';
import { inclusionBy } from './included-tables.js';
import { PREFIX } from './metadata-schema.js';
import type { CapturePlan } from './plan-capture.js';
import { isOurs } from './read-schema.js';
import { leftOutBy } from './release-tables.js';
import type { RequestedRule } from './rule-request.js';
import { type Rule, type RuleRow, ruleOf, rulesFrom, undecided } from './rules.js';

export interface InclusionRequest {
  /** A table's name, or a glob: `*` and `?`, in whatever case. */
  readonly glob: string;
  readonly included: boolean;
}

/** What a rule does on this node. */
export interface InclusionPlan {
  /** Tables that are captured from then on, with the rows they have. */
  readonly takenIn: readonly string[];
  /** Tables that are captured no more. Their rows stay. */
  readonly leftOut: readonly string[];
  /** Tables that would be taken in, and cannot replicate: why. */
  readonly refused: readonly { readonly table: string; readonly reason: string }[];
  /** Tables that match and stay as they are: by which rule, or why. */
  readonly otherwise: readonly { readonly table: string; readonly by: string }[];
}

/** Throws 'usage' for a name that cannot be. @param names of the file's tables, as they are spelled */
export function inclusionFor(
  { glob, included }: InclusionRequest,
  rows: readonly RuleRow[],
  names: readonly string[],
): RequestedRule {
  if (glob === '') throw new SqlsyncError('usage', 'an empty name matches no table');
  if (isOurs(glob)) {
    throw new SqlsyncError('usage', `names that begin with ${PREFIX} are sqlsync's own`, {
      hint: 'Its tables replicate by rules of their own.',
    });
  }
  const table = spelledAsIn(glob, [...rows.map(({ tbl }) => tbl), ...names]);
  const row = rows.find(({ tbl }) => tbl === table);
  const rule: Rule = { ...(row === undefined ? undecided(table) : ruleOf(row)), included };
  return { rule, after: rulesFrom(rows)(table), isInEffect: row?.included === Number(included) };
}

/** SQLite takes a table's name in whatever case; the rules have it once. */
function spelledAsIn(glob: string, names: readonly string[]): string {
  if (names.includes(glob)) return glob;
  return names.find((name) => name.toLowerCase() === glob.toLowerCase()) ?? glob;
}

/**
 * @param after the plan by the rules as they would be
 * @param captured names of the tables that are captured now
 */
export function planInclusion(
  { table: glob, included }: Rule,
  after: { readonly plan: CapturePlan; readonly rows: readonly RuleRow[] },
  captured: ReadonlySet<string>,
): InclusionPlan {
  const ruleFor = inclusionBy(after.rows);
  const matching = after.plan.tables.filter(({ name }) => matchesGlob(glob, name) || name === glob);
  const decided = included === true ? matching.filter(({ name }) => ruleFor(name)?.glob === glob) : [];
  const takenIn = decided.filter(({ name, status }) => status === 'captured' && !captured.has(name));
  return {
    takenIn: takenIn.map(({ name }) => name),
    leftOut: leftOutBy(after.rows, [glob], [...captured]).sort(),
    refused: decided.flatMap(({ name, status, reason }) =>
      status === 'refused' ? [{ table: name, reason: reason ?? '' }] : [],
    ),
    otherwise: matching.flatMap((table) => {
      const rule = ruleFor(table.name);
      if (rule !== null && rule.glob !== glob) {
        return rule.included === included ? [] : [{ table: table.name, by: `the rule for ${rule.glob}` }];
      }
      return included === true && table.status === 'excluded' ? [{ table: table.name, by: table.reason ?? '' }] : [];
    }),
  };
}
