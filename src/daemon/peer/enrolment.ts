/** What a node that was invited says to its sponsor, and hears: see server/route-enrol.ts. */
import { z } from 'zod';
import { PUBLIC_KEY_PATTERN } from '../../member-key.js';
import { nodeNameSchema } from '../../replication/wire-messages.js';

export const ENROL_PATH = '/v1/enrol';

export const enrolRequestSchema = z.strictObject({
  database: z.string().min(1).max(128),
  invite: z.string().regex(/^[0-9a-f]{16}$/),
  secret: z.string().min(1).max(128),
  node: nodeNameSchema,
  publicKey: z.string().regex(PUBLIC_KEY_PATTERN),
});
export type EnrolRequest = z.infer<typeof enrolRequestSchema>;

export const enrolAnswerSchema = z.strictObject({
  dataset: z.string().max(64),
  access: z.enum(['read', 'write']),
});
export type EnrolAnswer = z.infer<typeof enrolAnswerSchema>;
