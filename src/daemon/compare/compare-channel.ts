/** How the node that compares asks the other: over HTTP, or over the connection by which that one has dialed. */
import { SqlsyncError } from '../../errors.js';
import type { Answer, AnswerTo, Question, QuestionOf } from '../../replication/compare-messages.js';

export type CompareChannel = (question: Question) => Promise<Answer>;

/** Asks, and takes no other kind of answer. */
export async function ask<Kind extends Question['kind']>(
  channel: CompareChannel,
  question: QuestionOf<Kind>,
): Promise<AnswerTo<Kind>> {
  const answer = await channel(question);
  if (answer.kind === question.kind) return answer as AnswerTo<Kind>;
  throw new SqlsyncError('batch-damaged', `the peer answers a question of ${question.kind} with ${answer.kind}`);
}
