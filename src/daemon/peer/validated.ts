/** What a peer has sent, as the schema has it. */
import type { z } from 'zod';
import { SqlsyncError } from '../../errors.js';

/**
 * Throws `batch-damaged`.
 * @param what it is, for the message: 'the question'
 */
export function validated<Schema extends z.ZodType>(schema: Schema, json: unknown, what: string): z.infer<Schema> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new SqlsyncError('batch-damaged', `${what} is wrong: ${issue?.path.join('.')}: ${issue?.message}`, {
    hint: 'do both nodes run the same version of sqlsync?',
  });
}
