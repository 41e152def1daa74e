/**
 * Failures to prove who asks, counted by address: from some on they are answered with `rate-limited`, and the log says
 * so, once a minute. Whoever has proved who asks is never counted, so nobody who shares an address with an attacker is
 * kept out.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { SqlsyncError } from '../../errors.js';

/** A node with a wrong secret, dialing as often as it may, makes far less. */
const FAILURES_PER_MINUTE_MAX = 300;
const MINUTE_MS = 60_000;
/** Addresses that are told apart; those heard of longest ago are forgotten first. */
export const ADDRESSES_MAX = 5_000;

export interface FailureLimit {
  /** The error to answer with: the one given, until there have been too many. */
  note(request: FastifyRequest, error: SqlsyncError): Promise<SqlsyncError>;
}

/** The plugin of rate limits must be there. */
export function failureLimit(app: FastifyInstance, logger: Logger): FailureLimit {
  const count = app.createRateLimit({ max: FAILURES_PER_MINUTE_MAX, timeWindow: MINUTE_MS });
  let warnedMs = Number.NEGATIVE_INFINITY;
  return {
    note: async (request, error) => {
      const counted = await count(request);
      if (counted.isAllowed || !counted.isExceeded) return error;
      if (performance.now() - warnedMs > MINUTE_MS) {
        warnedMs = performance.now();
        logger.warn({ address: request.ip, code: error.code }, 'too many requests that prove nothing, and refused');
      }
      const message = `more than ${FAILURES_PER_MINUTE_MAX} failures in a minute from this address`;
      return new SqlsyncError('rate-limited', message, {
        hint: 'mend the credentials of whoever asks, and try again in a minute',
      });
    },
  };
}
