/** A question about the rules as it travels over HTTP, and its answer. */
import { z } from 'zod';
import { SqlsyncError } from '../../errors.js';
import { type RuleAnswer, ruleAnswerSchema, ruleQuestionSchema } from '../../replication/rule-messages.js';

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

function validated<Schema extends z.ZodType>(schema: Schema, json: unknown, what: string): z.infer<Schema> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new SqlsyncError('batch-damaged', `${what} is wrong: ${issue?.path.join('.')}: ${issue?.message}`, {
    hint: 'do both nodes run the same version of sqlsync?',
  });
}
