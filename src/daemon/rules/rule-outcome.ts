/**
 * Two nodes of which one waits for the outcome of a change of the rules tell each other what they know of it. What the
 * coordinator does not know of was never decided, and never will be.
 */
import type { RuleAnswer, RuleQuestion } from '../../replication/rule-messages.js';
import type { DatabaseService } from '../database/database-service.js';

export type AskRules = (question: RuleQuestion) => Promise<RuleAnswer>;

/** Says whether either of the two has heard an outcome by it. Throws what the peer answers instead. */
export async function hearOutcome(service: DatabaseService, ask: AskRules): Promise<boolean> {
  const { rules, node } = service.replica;
  const change = rules.waiting?.change.id ?? null;
  const answer = await ask(await service.rules.question({ verb: 'ask', change }));
  await service.rules.take(answer);
  const isHeard = await service.work(() => take(service, change, answer));
  if (isHeard) service.tellRules();
  const { waitsFor } = answer;
  return (waitsFor?.coordinator === node && (await tell(service, waitsFor.change, ask))) || isHeard;
}

/** What the answer says of the change that this node waits for. */
function take({ replica }: DatabaseService, change: string | null, { hello, outcome }: RuleAnswer): boolean {
  const { rules } = replica;
  const { waiting } = rules;
  if (change === null || waiting?.change.id !== change) return false;
  if (rules.learnFrom(hello)) return true;
  if (waiting.coordinator !== hello.node || outcome === 'undecided') return false;
  if (outcome === 'adopted') rules.commit(change, hello.node);
  else rules.abort(change, hello.node);
  return true;
}

/** Tells a member what has become of the change that it waits for this node to decide about. */
async function tell(service: DatabaseService, change: string, ask: AskRules): Promise<boolean> {
  const outcome = await service.work(() => service.replica.rules.outcomeOf(change));
  if (outcome === 'undecided') return false;
  const verb = outcome === 'adopted' ? 'commit' : 'abort';
  await service.rules.take(await ask(await service.rules.question({ verb, change })));
  return true;
}
