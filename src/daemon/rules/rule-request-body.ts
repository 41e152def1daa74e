/** A question about the rules as it travels over HTTP, and its answer. */
import { z } from 'zod';
import { type RuleAnswer, ruleAnswerSchema, ruleQuestionSchema } from '../../replication/rule-messages.js';
import { validated } from '../peer/validated.js';

export const RULES_PATH = '/v1/rules';

const ruleRequestBodySchema = z.strictObject({
  /** The database's name in the configuration. */
  database: z.string().min(1).max(128),
  question: ruleQuestionSchema,
});

/** Throws `batch-damaged`. */
export function parseRuleRequestBody(json: unknown): z.infer<typeof ruleRequestBodySchema> {
  return validated(ruleRequestBodySchema, json, 'the question');
}

/** Throws `batch-damaged`. */
export function parseRuleAnswer(json: unknown): RuleAnswer {
  return validated(ruleAnswerSchema, json, 'the answer');
}
