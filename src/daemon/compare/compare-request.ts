/** A question about rows as it travels over HTTP: who asks about which database, and the question; and its answer. */
import { z } from 'zod';
import { type Answer, answerSchema, type Question, questionSchema } from '../../replication/compare-messages.js';
import { nodeNameSchema } from '../../replication/wire-messages.js';
import { validated } from '../peer/validated.js';

export const COMPARE_PATH = '/v1/compare';

const askerSchema = z.strictObject({
  /** The database's name in the configuration. */
  database: z.string().min(1).max(128),
  dataset: z.string().regex(/^[0-9a-f]{32}$/),
  node: nodeNameSchema,
});
export type Asker = z.infer<typeof askerSchema>;

const compareRequestSchema = askerSchema.extend({ question: questionSchema });
export type CompareRequestBody = z.infer<typeof compareRequestSchema>;

/** Throws `batch-damaged`. */
export function parseCompareRequest(json: unknown): CompareRequestBody {
  return validated(compareRequestSchema, json, 'the question');
}

export function parseQuestion(json: unknown): Question {
  return validated(questionSchema, json, 'the question');
}

export function parseAnswer(json: unknown): Answer {
  return validated(answerSchema, json, 'the answer');
}
