/**
 * The text messages of a live connection. Streams travel between them as binary messages: one stream at a time in each
 * direction, in pieces of any size, ended by its own end frame.
 *
 *   hello    first, from both sides (the dialer begins); later on: what I have has changed
 *   ack      the stream has been applied, and this is what I have now
 *   refused  nothing of the stream (or of this connection) is taken, and why; the sender of it closes
 *   request  `sync`: ship me what I lack, and say when I have it all. Carries the asker's hello
 *   reply    to the request of that number
 *   question about the peer's rows, which this side compares with its own (replication/compare-messages.ts), or about a
 *            change of the rules (replication/rule-messages.ts)
 *   answer   to the question of that number, or why there is none
 */
import { z } from 'zod';
import { SqlsyncError } from '../../errors.js';
import { answerSchema, questionSchema } from '../../replication/compare-messages.js';
import { ruleAnswerSchema, ruleQuestionSchema } from '../../replication/rule-messages.js';
import { parseHello } from '../../replication/stream-reader.js';
import { helloSchema } from '../../replication/wire-messages.js';
import { errorBodySchema } from '../peer/error-answer.js';
import { greetingSchema } from '../peer/greeting.js';

/** Bytes of a text message: a hello of a hundred thousand sessions fits. */
export const LIVE_MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of a binary message: small enough for a heartbeat to pass between two. */
export const LIVE_PIECE_BYTES = 64 * 1024;

const requestNumber = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Why a question has no answer. */
const failureSchema = z.strictObject({ kind: z.literal('error'), error: errorBodySchema });

const liveMessageSchema = z.discriminatedUnion('type', [
  greetingSchema.extend({ type: z.literal('hello') }),
  z.strictObject({ type: z.literal('ack'), hello: helloSchema }),
  z.strictObject({ type: z.literal('refused'), error: errorBodySchema }),
  z.strictObject({ type: z.literal('request'), number: requestNumber, verb: z.literal('sync'), hello: helloSchema }),
  z.strictObject({ type: z.literal('reply'), number: requestNumber, hello: helloSchema }),
  z.strictObject({
    type: z.literal('question'),
    number: requestNumber,
    question: z.discriminatedUnion('kind', [...questionSchema.options, ruleQuestionSchema]),
  }),
  z.strictObject({
    type: z.literal('answer'),
    number: requestNumber,
    answer: z.discriminatedUnion('kind', [...answerSchema.options, ruleAnswerSchema, failureSchema]),
  }),
]);

export type LiveMessage = z.infer<typeof liveMessageSchema>;

/** The message in a text that a peer sent; `batch-damaged` when there is none in it. */
export function parseLiveMessage(text: string): LiveMessage {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new SqlsyncError('batch-damaged', 'a live message is not JSON', { cause });
  }
  // A hello of a later version is refused by its version, not by its first unknown field.
  if (isHello(json)) parseHello(json.hello, 'the hello');
  const result = liveMessageSchema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new SqlsyncError('batch-damaged', `a live message is wrong: ${issue?.path.join('.')}: ${issue?.message}`);
}

function isHello(json: unknown): json is { readonly hello: unknown } {
  return (json as { type?: unknown } | null)?.type === 'hello';
}
