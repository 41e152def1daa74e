/**
 * The answer to a push: lines of JSON. While the stream is being applied, a line now and then says how far that is, which
 * also keeps the connection from looking idle; the last line says how it ended. An error that is found before the stream
 * has been taken in is an HTTP status and an error body instead, as everywhere.
 */
import { z } from 'zod';
import { helloSchema } from '../../replication/wire-messages.js';
import { errorBodySchema } from './error-answer.js';

export const PUSH_ANSWER_TYPE = 'application/x-ndjson';

const pushLineSchema = z.union([
  z.strictObject({ rows: z.number().int().min(0) }),
  z.strictObject({ hello: helloSchema }),
  z.strictObject({ error: errorBodySchema }),
]);

export type PushLine = z.infer<typeof pushLineSchema>;

/** A line of the answer; null when it is none. */
export function parsePushLine(line: string): PushLine | null {
  try {
    return pushLineSchema.parse(JSON.parse(line));
  } catch {
    return null;
  }
}
