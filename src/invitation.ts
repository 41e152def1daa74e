/**
 * An invitation as it is handed over: one word that can be pasted. Whoever has it can join once, under the name it was
 * made for, until it is used or has expired; so it is sent as a password would be.
 */
import { z } from 'zod';
import { databaseName, nodeName, peerUrl } from './config-values.js';
import { SqlsyncError } from './errors.js';

const PREFIX = 'sqlsync-invite:';
/** No invitation of ours comes near it. */
const CHARS_MAX = 4_000;

const invitationSchema = z.strictObject({
  v: z.literal(1),
  /** Where the sponsor is reached. */
  url: peerUrl,
  /** SHA-256 of the sponsor's certificate, hex; null: without TLS, on one machine. */
  fingerprint: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  sponsor: nodeName,
  database: databaseName,
  /** Who is invited. */
  node: nodeName,
  id: z.string().regex(/^[0-9a-f]{16}$/),
  /** Good once. */
  secret: z.string().regex(/^[\w-]{43}$/),
});

export type Invitation = Readonly<Omit<z.infer<typeof invitationSchema>, 'v'>>;

export function isInvitation(text: string): boolean {
  return text.startsWith(PREFIX);
}

export function formatInvitation(invitation: Invitation): string {
  return PREFIX + Buffer.from(JSON.stringify({ v: 1, ...invitation })).toString('base64url');
}

/** Throws `usage`, and never tells what was typed: it may be most of a good one. */
export function parseInvitation(text: string): Invitation {
  const parsed = text.length > CHARS_MAX ? null : invitationSchema.safeParse(jsonIn(text.slice(PREFIX.length)));
  if (parsed?.success) {
    const { v: _version, ...invitation } = parsed.data;
    return invitation;
  }
  throw new SqlsyncError('usage', 'the invitation is not whole', {
    hint: 'Paste all of the line that `sqlsync invite` printed; it has no spaces.',
  });
}

function jsonIn(base64: string): unknown {
  try {
    return JSON.parse(Buffer.from(base64.trim(), 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
