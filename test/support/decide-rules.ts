/** A change of the rules among engines of one process, as daemons make it: all freeze, one decides, the others hear of it. */
import { randomBytes } from 'node:crypto';
import type { Rule, RuleChange } from '../../src/replication/rules.js';
import type { EngineNode } from './engine-node.js';

export function ruleChange({ name }: EngineNode, rules: readonly Rule[]): RuleChange {
  return { id: randomBytes(16).toString('hex'), node: name, at: 1, rules };
}

/** Returns why it is not decided; null: it is, and the coordinator alone has adopted it. */
export function decideRules(coordinator: EngineNode, others: readonly EngineNode[], change: RuleChange): string | null {
  const base = coordinator.hello().rulesHash;
  coordinator.replica.rules.begin(change);
  let obstacle: string | null = 'a member refused';
  try {
    const votes = others.map((member) => {
      member.replica.acknowledge(coordinator.hello());
      member.replica.rules.prepare(change, base);
      coordinator.replica.acknowledge(member.hello());
      return { hello: member.hello(), members: member.replica.memberNames };
    });
    const record = { id: change.id, node: coordinator.name, operator: 'ann', command: 'rules' };
    obstacle = coordinator.replica.rules.decide(votes, { ...record, detail: change, result: 'done' });
    return obstacle;
  } finally {
    if (obstacle !== null) {
      coordinator.replica.rules.giveUp();
      for (const member of others) member.replica.rules.abort(change.id, coordinator.name);
    }
  }
}

/** The same, and all adopt it. */
export function adoptRules(nodes: readonly [EngineNode, ...EngineNode[]], rules: readonly Rule[]): string | null {
  const [coordinator, ...others] = nodes;
  const change = ruleChange(coordinator, rules);
  const obstacle = decideRules(coordinator, others, change);
  if (obstacle === null) for (const { replica } of others) replica.rules.commit(change.id, coordinator.name);
  return obstacle;
}
