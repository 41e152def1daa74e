/**
 * Errors between nodes: what this node answers a peer, and what it makes of a peer's answer. A peer's word is not
 * trusted further than it reaches: only codes that speak of the exchange pass through; a peer's own trouble (its disk,
 * its database, its bugs) is `peer-failed` here.
 */
import { z } from 'zod';
import { type ErrorBody, type ErrorCode, isErrorCode, SqlsyncError } from '../../errors.js';

/** The one shape of an error on the wire: an HTTP body, or part of a live message. */
export const errorBodySchema = z.object({
  code: z.string().max(64),
  message: z.string().max(2000),
  hint: z.string().max(2000).nullable(),
});

export const errorAnswerSchema = z.object({ error: errorBodySchema });

/** Codes that speak of the exchange, and the HTTP status each is answered with. */
const EXCHANGE_STATUS: Partial<Readonly<Record<ErrorCode, number>>> = {
  usage: 400,
  // The peer that is spoken to has another name.
  'config-invalid': 421,
  'batch-damaged': 400,
  'batch-oversized': 413,
  'batch-refused': 422,
  'batch-outdated': 503,
  'feed-full': 503,
  'peer-wrong-secret': 401,
  'peer-refused': 403,
  'credential-unknown': 401,
  'credential-revoked': 403,
  'proof-outdated': 401,
  'invite-refused': 403,
  'invite-used': 403,
  'invite-expired': 403,
  'rate-limited': 429,
  'database-unknown': 404,
  'wire-version': 409,
  'dataset-mismatch': 409,
  'schema-differs': 409,
  'rules-differ': 409,
  'rules-changing': 503,
  // What keeps a member from leaving tables out.
  'unsent-changes': 503,
  'changes-aside': 409,
  'coverage-unknown': 409,
  'conflicts-open': 409,
  'encoding-differs': 409,
  'node-name-taken': 409,
  'clock-ahead': 409,
  stale: 409,
  'member-removed': 409,
  'catching-up': 503,
  migrating: 503,
  'database-locked': 503,
  'peer-timeout': 408,
  'disk-full': 507,
};

export function httpStatusOf(code: ErrorCode): number {
  return EXCHANGE_STATUS[code] ?? 500;
}

/** The peer's trouble, not this node's: its code would send the operator to the wrong machine. */
const PEERS_OWN: readonly ErrorCode[] = ['usage', 'database-locked', 'disk-full'];

/** What a peer's error means here. */
export function errorFromPeer(peer: string, body: z.infer<typeof errorBodySchema>): SqlsyncError {
  const { code, message, hint } = body;
  const speaksOfExchange = isErrorCode(code) && code in EXCHANGE_STATUS && !PEERS_OWN.includes(code);
  if (!speaksOfExchange)
    return new SqlsyncError('peer-failed', `${peer} answers: ${message} (${code})`, withHint(hint));
  return new SqlsyncError(code, `${peer} answers: ${message}`, withHint(hint));
}

function withHint(hint: string | null): { readonly hint?: string } {
  return hint === null ? {} : { hint };
}

/**
 * What an error of this node may be told to a peer: a bug's words stay in the log.
 */
export function answerOf(error: unknown): ErrorBody {
  if (error instanceof SqlsyncError) return error.toBody();
  return { code: 'bug', message: 'an internal error', hint: 'look at the log of the node that answers' };
}
