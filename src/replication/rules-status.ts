/** The rules of the data set as a node can tell them: what every table goes by, who has adopted that, and what waits. */
import { inclusionRules } from './included-tables.js';
import type { RuleChanges } from './rule-changes.js';
import { ALL_TABLES, type EffectiveRule, effectiveRule, rulesFrom, settlesConflicts } from './rules.js';

/** A rule by which tables replicate or not. */
export interface InclusionRule {
  /** A table's name, or a glob. */
  readonly glob: string;
  readonly included: boolean;
  /** Where it was typed, and when in Unix milliseconds; null: not known. */
  readonly node: string | null;
  readonly at: number | null;
}

export interface RulesStatus {
  readonly tables: readonly EffectiveRule[];
  /** The first that matches a table decides. */
  readonly inclusion: readonly InclusionRule[];
  /** Has each member adopted these rules? Null: not heard. */
  readonly members: readonly { readonly name: string; readonly adopted: boolean | null }[];
  /** A change that is under way here; null: none. */
  readonly underWay: {
    readonly tables: readonly string[];
    /** Who decides. */
    readonly coordinator: string;
    /** Unix milliseconds; null: this node coordinates it. */
    readonly since: number | null;
  } | null;
}

/** @param self this node, which goes by them in any case */
export function readRulesStatus(rules: RuleChanges, members: readonly string[], self: string): RulesStatus {
  const rows = rules.rows();
  const rulesOf = rulesFrom(rows);
  const own = new Set(rows.filter(settlesConflicts).map(({ tbl }) => tbl));
  const names = [...(own.has(ALL_TABLES) ? [ALL_TABLES] : []), ...rules.tables.map(({ name }) => name).sort()];
  return {
    tables: names.map((name) => effectiveRule(name, rulesOf(name), own.has(name))),
    inclusion: inclusionRules(rows).map(({ tbl, included, node, at }) => ({
      glob: tbl,
      included: included !== 0,
      node,
      at,
    })),
    members: members.map((name) => ({ name, adopted: name === self ? true : adopted(rules, name) })),
    underWay: underWay(rules, self),
  };
}

function adopted({ heard, hash }: RuleChanges, name: string): boolean | null {
  const heardHash = heard.of(name);
  return heardHash === null ? null : heardHash === hash;
}

function underWay({ waiting, coordinating }: RuleChanges, self: string): RulesStatus['underWay'] {
  const change = waiting?.change ?? coordinating;
  if (change === null || change === undefined) return null;
  const tables = change.rules.map((rule) => rule.table);
  return { tables, coordinator: waiting?.coordinator ?? self, since: waiting?.since ?? null };
}
