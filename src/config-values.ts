/**
 * The values of which a configuration is made: each schema says in its message what it takes. Values that `${VAR}`
 * brings in are text, so numbers and switches may be written as text as well.
 */
import { validate as isCronExpression } from 'node-cron';
import { z } from 'zod';
import { parseByteSize } from './byte-size.js';
import { parseDurationMs } from './duration.js';
import { isLoopback, parseListenAddress } from './listen-address.js';

/** Text that one of our parsers understands. */
function parsedText<T>(parse: (text: string) => T | null, error: string) {
  return z.string({ error }).transform((text, context) => {
    const value = parse(text);
    if (value !== null) return value;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
}

/** A whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`;
  const number = z.int({ error }).min(min, { error }).max(max, { error });
  const text = z.string().regex(/^\d+$/, { error }).transform(Number).pipe(number);
  return z.union([number, text], { error });
}

/** A size in bytes, from `min` to `max`. */
export function byteSize(min: number, max: number) {
  const error = 'must be a size such as 512, 64KiB or 2GiB';
  const number = z
    .int()
    .min(min, { error: `must be at least ${min} bytes` })
    .max(max, { error: `must be at most ${max} bytes` });
  return z.union([z.number(), parsedText(parseByteSize, error)], { error }).pipe(number);
}

export const onOrOff = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')], {
  error: 'must be true or false',
});

/** Gives milliseconds. */
export const duration = parsedText(parseDurationMs, 'must be a duration such as 30s, 15m or 7d');

/** The same, but no shorter than `min`, which is a duration too. */
export function durationAtLeast(min: string) {
  const minMs = parseDurationMs(min) ?? 0;
  return duration.refine((durationMs) => durationMs >= minMs, { error: `must be at least ${min}` });
}

export const cronExpression = parsedText(
  (text) => (isCronExpression(text) ? text : null),
  'must be a cron expression such as "0 3 * * *" (minute hour day month weekday, seconds may stand before)',
);

export const listenAddress = parsedText(
  parseListenAddress,
  'must be an address and a port such as 127.0.0.1:7420 or [::1]:7420',
);

/** A file or folder; relative ones are resolved when the configuration is. */
export const path = z.string({ error: 'must be a path' }).min(1, { error: 'must be a path' });

const BACKUP_PLACE_ERROR = 'must be a folder, or s3://BUCKET/PREFIX';
export const backupPlace = z
  .string({ error: BACKUP_PLACE_ERROR })
  .regex(/^(?!.*:\/\/).|^s3:\/\/[a-z0-9]/, { error: BACKUP_PLACE_ERROR });

/** The name of a node: it becomes part of session names on the wire. */
export const NODE_NAME_PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}$/;

const NODE_NAME_ERROR = 'must be 1 to 63 letters, digits, _ or -, the first a letter or a digit';
export const nodeName = z.string({ error: NODE_NAME_ERROR }).regex(NODE_NAME_PATTERN, { error: NODE_NAME_ERROR });

const DATABASE_NAME_ERROR = 'must be 1 to 63 letters, digits, dots, _ or -, the first a letter or a digit';
export const databaseName = z
  .string({ error: DATABASE_NAME_ERROR })
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, { error: DATABASE_NAME_ERROR });

const FINGERPRINT_ERROR =
  'must be the SHA-256 fingerprint of a certificate: 64 hexadecimal digits, colons between or not';

/** Gives 64 lower-case digits. */
const fingerprint = parsedText((text) => {
  const digits = text.replaceAll(':', '').toLowerCase();
  return /^[0-9a-f]{64}$/.test(digits) ? digits : null;
}, FINGERPRINT_ERROR);

/** One, or several while a certificate is being replaced. */
export const fingerprints = z
  .union([fingerprint.transform((one) => [one]), z.array(fingerprint).min(1)], { error: FINGERPRINT_ERROR })
  .nullable();

/** Where a peer is reached. The secret travels with every request, so only this machine is spoken to in the clear. */
export const peerUrl = z.string({ error: 'must be a URL' }).transform((text, context) => {
  const refuse = (message: string) => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol)) return refuse('must be a URL such as https://lyon:7420');
  if (url.username || url.password) return refuse('must hold no credentials: they come from secretFile');
  if (url.search || url.hash) return refuse('must end with its path');
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    return refuse('would send the secret in the clear: beyond loopback it must be https');
  }
  return text.replace(/\/+$/, '');
});
