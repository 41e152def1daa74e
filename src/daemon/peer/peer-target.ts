/** A peer of one database that can be spoken to now: one that this node dials, or one that has dialed it. */
import type { Answer, Question } from '../../replication/compare-messages.js';
import type { RuleAnswer, RuleQuestion } from '../../replication/rule-messages.js';
import type { DatabaseService } from '../database/database-service.js';
import type { ExchangeProgress } from './exchange.js';
import type { PeerRecord } from './peer-record.js';

export interface PeerTarget {
  readonly service: DatabaseService;
  readonly peer: PeerRecord;
  /** One exchange: both then have what the other had when it began. */
  exchange(onProgress: (progress: ExchangeProgress) => void, signal: AbortSignal): Promise<void>;
  /** Asks it about its rows. */
  ask(question: Question, signal: AbortSignal): Promise<Answer>;
  /** Has it take part in a change of the rules. */
  askRules(question: RuleQuestion, signal: AbortSignal): Promise<RuleAnswer>;
}
