/** The rules of the data set as a node can tell them: what every table goes by, who has adopted that, and what waits. */

import type { RuleChanges } from './rule-changes.js';
import { ALL_TABLES, rulesFrom } from './rules.js';
import type { TableRules } from './table-schema.js';

/** What a table goes by. */
export interface EffectiveRule {
  /** Its name, or `*`: all without a rule of their own. */
  readonly table: string;
  readonly strategy: TableRules['strategy'];
  readonly order: readonly string[];
  readonly keyCollision: TableRules['keyCollision'];
  readonly orphan: TableRules['orphan'];
  /** Has it a rule of its own, or does it go by that of `*` and the defaults? */
  readonly own: boolean;
}

export interface RulesStatus {
  readonly tables: readonly EffectiveRule[];
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

export function effectiveRule(table: string, rules: TableRules, own: boolean): EffectiveRule {
  const { strategy, nodeOrder: order, keyCollision, orphan } = rules;
  return { table, strategy, order, keyCollision, orphan, own };
}

/** @param self this node, which goes by them in any case */
export function readRulesStatus(rules: RuleChanges, members: readonly string[], self: string): RulesStatus {
  const rows = rules.rows();
  const rulesOf = rulesFrom(rows);
  const own = new Set(rows.map(({ tbl }) => tbl));
  const names = [...(own.has(ALL_TABLES) ? [ALL_TABLES] : []), ...rules.tables.map(({ name }) => name).sort()];
  return {
    tables: names.map((name) => effectiveRule(name, rulesOf(name), own.has(name))),
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
