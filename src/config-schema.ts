/**
 * The shape of sqlsync.yml: strict, with every default. What one value can be is config-values.ts's, the bounds are
 * config-limits.ts's, and what contradicts each other is found in config-contradictions.ts.
 */
import { z } from 'zod';
import { limitsSchema } from './config-limits.js';
import {
  backupPlace,
  byteSize,
  cronExpression,
  databaseName,
  duration,
  durationAtLeast,
  fingerprints,
  listenAddress,
  nodeName,
  onOrOff,
  path,
  peerUrl,
  wholeNumber,
} from './config-values.js';

const COUNT_MAX = 1_000_000_000;
/** A record that nobody had time to read might as well not have been kept. */
const RECORDS_KEPT_MIN = '1h';
/** Whoever has just been heard of is not silent. */
const PEER_TIMEOUT_MIN = '5s';

const databaseSchema = z.strictObject({
  name: databaseName,
  path,
  identity: z.enum(['ask', 'trust'], { error: 'must be ask or trust' }).default('ask'),
});

const peerSchema = z.strictObject({
  name: nodeName,
  url: peerUrl,
  fingerprint: fingerprints.default(null),
  databases: z.array(z.string()).min(1, { error: 'must name a database, or "*"' }).default(['*']),
  direction: z.enum(['both', 'push', 'pull'], { error: 'must be both, push or pull' }).default('both'),
  schedule: cronExpression.nullable().prefault('*/30 * * * * *'),
  live: onOrOff.default(true),
});

const tlsSchema = z.strictObject({
  cert: path.nullable().default(null),
  key: path.nullable().default(null),
  ca: path.nullable().default(null),
  clientAuth: z.enum(['none', 'required'], { error: 'must be none or required' }).default('none'),
});

const backupSchema = z.strictObject({
  schedule: cronExpression.nullable().prefault('0 3 * * *'),
  to: backupPlace.default('./backups'),
  keyFile: path.nullable().default(null),
  drill: cronExpression.nullable().default(null),
  keep: z
    .strictObject({
      last: wholeNumber(0, 10_000).default(3),
      daily: wholeNumber(0, 10_000).default(7),
      weekly: wholeNumber(0, 10_000).default(4),
      monthly: wholeNumber(0, 10_000).default(12),
    })
    .prefault({}),
});

const pruneSchema = z
  .strictObject({
    schedule: cronExpression.nullable().prefault('30 3 * * *'),
    keepLog: duration.prefault('7d'),
    keepConflicts: durationAtLeast(RECORDS_KEPT_MIN).prefault('90d'),
    keepOperations: durationAtLeast(RECORDS_KEPT_MIN).prefault('365d'),
    peerTimeout: durationAtLeast(PEER_TIMEOUT_MIN).prefault('30d'),
    retainedBytesMax: byteSize(0, Number.MAX_SAFE_INTEGER).default(2 * 1024 ** 3),
  })
  .transform(({ keepLog, keepConflicts, keepOperations, peerTimeout, ...rest }) => ({
    ...rest,
    keepLogMs: keepLog,
    keepConflictsMs: keepConflicts,
    keepOperationsMs: keepOperations,
    peerTimeoutMs: peerTimeout,
  }));

/** Opt-in: what SQLite then writes are statistics of its own, in the application's file. */
const optimiseSchema = z.strictObject({ schedule: cronExpression.nullable().prefault('0 5 * * 0') });

const verifySchema = z.strictObject({ schedule: cronExpression.nullable().prefault('0 4 * * 0') });

/** From where on status calls this node unhealthy; null: never for this reason. */
const healthSchema = z
  .strictObject({
    lagSecondsMax: wholeNumber(0, COUNT_MAX).nullable().default(300),
    conflictsOpenMax: wholeNumber(0, COUNT_MAX).nullable().default(0),
    quarantinedMax: wholeNumber(0, COUNT_MAX).nullable().default(0),
    verifyAgeMax: duration.nullable().default(null),
    backupAgeMax: duration.nullable().default(null),
    diskFreeBytesMin: byteSize(0, Number.MAX_SAFE_INTEGER)
      .nullable()
      .default(1024 ** 3),
    heartbeatUrlFile: path.nullable().default(null),
    heartbeatEvery: durationAtLeast('1s').prefault('1m'),
  })
  .transform(({ verifyAgeMax, backupAgeMax, heartbeatEvery, ...rest }) => ({
    ...rest,
    heartbeatEveryMs: heartbeatEvery,
    verifyAgeMsMax: verifyAgeMax,
    backupAgeMsMax: backupAgeMax,
  }));

const logSchema = z.strictObject({
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error'], { error: 'must be trace, debug, info, warn or error' })
    .default('info'),
  format: z
    .enum(['auto', 'json', 'text', 'journald'], { error: 'must be auto, json, text or journald' })
    .default('auto'),
});

export const configSchema = z.strictObject({
  node: nodeName,
  listen: listenAddress.nullable().default(null),
  secretFile: path.nullable().default(null),
  tls: tlsSchema.nullable().default(null),
  admin: z.strictObject({ listen: listenAddress }).nullable().default(null),
  databases: z.array(databaseSchema).default([]),
  peers: z.array(peerSchema).default([]),
  backup: backupSchema.nullable().default(null),
  prune: pruneSchema.prefault({}),
  verify: verifySchema.nullable().default(null),
  optimise: optimiseSchema.nullable().default(null),
  health: healthSchema.prefault({}),
  limits: limitsSchema.prefault({}),
  log: logSchema.prefault({}),
});

export type ConfigSections = z.output<typeof configSchema>;
export type DatabaseConfig = Readonly<z.output<typeof databaseSchema>>;
export type PeerConfig = Readonly<z.output<typeof peerSchema>>;
