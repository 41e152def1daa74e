/**
 * Makes a node of existing files, or brings one up to date. First a plan, which changes nothing; then each file in one
 * transaction of its own, followed by its entry in the configuration. A daemon that serves the file goes on: it notices
 * that the schema has changed.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import { type ConfigAdditions, checkConfigAdditions, extendConfigFile } from '../config-edit.js';
import { SqlsyncError } from '../errors.js';
import { type NodeIdentity, readNodeIdentity } from '../replication/file-contents.js';
import { initialiseNode } from '../replication/initialise.js';
import type { InstallResult } from '../replication/install-capture.js';
import { assertNotWatching } from '../replication/migration-watch.js';
import { assertNoneRefused, type CaptureOptions, type CapturePlan, planCapture } from '../replication/plan-capture.js';
import { ALL_TABLES, type Rule, readRules, undecided } from '../replication/rules.js';
import type { TableRules } from '../replication/table-schema.js';
import { assertCurrentFormat } from '../replication/upgrade-format.js';
import { createSecretFile } from '../secrets.js';
import {
  additionsFor,
  type ConfigurationTarget,
  chooseDatabaseName,
  chooseNodeName,
  chooseSecretFile,
  type NodeRequest,
} from './configuration-target.js';
import type { FileLock } from './database-files.js';
import type { Machine } from './machine.js';
import { makeMissingCertificate, type OwnCertificate } from './own-certificate.js';
import { operationRecord } from './record-operation.js';

export interface InitRequest extends NodeRequest, CaptureOptions {
  readonly paths: readonly string[];
  /** For a single database only. */
  readonly name: string | undefined;
  /** What becomes of the losing row when two nodes give one key to two rows: the data set's first rule. */
  readonly keyCollision?: TableRules['keyCollision'] | undefined;
}

export interface InitPlan {
  readonly node: string;
  readonly configFile: string;
  /** Null: the secret comes from the environment. */
  readonly secretFile: string | null;
  readonly databases: readonly DatabasePlan[];
}

export interface DatabasePlan extends CapturePlan {
  readonly database: string;
  readonly path: string;
  /** Who the file belongs to already; null: nobody. */
  readonly identity: NodeIdentity | null;
  readonly additions: ConfigAdditions;
  /** Null: nothing was asked. */
  /** With which rules a data set begins that is made of the file. */
  readonly rules: readonly Rule[];
}

export interface InitReport extends CapturePlan {
  readonly database: string;
  readonly path: string;
  readonly node: string;
  /** Was anything changed in the file? */
  readonly changed: boolean;
  /** Tables that are captured from now on. */
  readonly added: readonly string[];
  /** Tables whose triggers were missing or not as they should be. */
  readonly repaired: readonly string[];
  readonly configFile: string;
  /** The secret file that was made; null: there was one already. */
  readonly secretCreated: string | null;
  /** The certificate that was made; null: there was one already, or none is needed. */
  readonly certificateCreated: OwnCertificate | null;
}

/** Throws what keeps a file from being read, and what contradicts the configuration. */
export function planInit(
  request: InitRequest,
  target: ConfigurationTarget,
  { files, hostname, env }: Machine,
): InitPlan {
  if (request.name !== undefined && request.paths.length > 1) {
    throw new SqlsyncError('usage', '--name can name one database only', { hint: 'Initialise them one by one.' });
  }
  const paths = request.paths.map((path) => resolve(path));
  const real = paths.map((path) => files.locate(path));
  const twice = real.find((path, i) => real.indexOf(path) < i);
  if (twice !== undefined) throw new SqlsyncError('usage', `${twice} is named twice`);
  const readings = paths.map((path) =>
    files.withSnapshot(path, (db) => {
      const identity = readNodeIdentity(db);
      if (identity !== null) assertCurrentFormat(identity.formatVersion, path);
      if (identity !== null) refuseOtherRule(db, path, request.keyCollision);
      return { path, identity, plan: planCapture(db, request) };
    }),
  );
  const inFile = readings.find(({ identity }) => identity !== null)?.identity?.node ?? null;
  const node = chooseNodeName(request.node, target, inFile, hostname);
  const secretFile = chooseSecretFile(request.secretFile, target, env);
  const databases = readings.map(({ path, identity, plan }): DatabasePlan => {
    if (identity !== null) chooseNodeName(node, target, identity.node, hostname);
    const database = chooseDatabaseName(request.name, path, target);
    const chosen = { node, listen: request.listen, secretFile, database: { name: database, path } };
    const additions = additionsFor(target, chosen);
    checkConfigAdditions(target.file, additions, env);
    return { database, path, identity, tables: plan.tables, additions, rules: firstRules(request) };
  });
  return { node, configFile: target.file, secretFile, databases };
}

/**
 * Carries the plan out. Throws table-refused, and changes nothing, when it refuses a table of any file.
 * @param command as it was typed, for the record of operations
 */
export function carryOutInit(plan: InitPlan, command: string, machine: Machine): InitReport[] {
  for (const database of plan.databases) assertNoneRefused(database);
  return plan.databases.map((database) => {
    const result = withLock(database, machine, (isServed) => {
      return install(database, { node: plan.node, command, isServed }, machine);
    });
    const { listen, tls } = database.additions;
    const certificateCreated = makeMissingCertificate(tls, { node: plan.node, listen, now: machine.now() });
    extendConfigFile(plan.configFile, database.additions, machine.env);
    return {
      database: database.database,
      path: database.path,
      node: plan.node,
      changed: result.changed,
      added: result.added,
      repaired: result.repaired,
      tables: database.tables,
      configFile: plan.configFile,
      secretCreated: createMissingSecret(plan.secretFile),
      certificateCreated,
    };
  });
}

/** Other members may go by the rules that are in the file: they change on all at once. */
function refuseOtherRule(db: Database, path: string, asked: TableRules['keyCollision'] | undefined): void {
  if (asked === undefined || readRules(db)(ALL_TABLES).keyCollision === asked) return;
  throw new SqlsyncError('usage', `${path} belongs to a data set that has its rules already`, {
    hint: `Change them on all its members: sqlsync rules set '*' --key-collision ${asked}`,
  });
}

/** Which tables to take is said of those that come later, too. */
function firstRules({ include, exclude, keyCollision }: InitRequest): Rule[] {
  const rules = new Map<string, Rule>();
  if (keyCollision !== undefined) rules.set(ALL_TABLES, { ...undecided(ALL_TABLES), keyCollision });
  const decide = (table: string, included: boolean) =>
    rules.set(table, { ...(rules.get(table) ?? undecided(table)), included });
  if (include.length > 0) decide(ALL_TABLES, false);
  for (const glob of include) decide(glob, true);
  for (const glob of exclude) decide(glob, false);
  return [...rules.values()];
}

interface Installation {
  readonly node: string;
  readonly command: string;
  /** Does a daemon serve the file meanwhile? */
  readonly isServed: boolean;
}

function install(
  { path, tables, rules }: DatabasePlan,
  { node, command, isServed }: Installation,
  machine: Machine,
): InstallResult {
  const { files, random, now } = machine;
  const nowMs = now().getTime();
  const change = rules.length === 0 ? null : { id: random.hex(16), node, at: nowMs, rules };
  const first = { node, dataset: random.hex(16), nodeId: random.hex(16), nowMs, rules: change };
  const operation = operationRecord(node, { command, detail: null }, machine);
  return files.withConnection(path, (db) => {
    // A migration beside a daemon is under way; without one it was cut short, and its triggers are put back.
    if (isServed) assertNotWatching(db);
    return initialiseNode(db, first, { tables }, operation);
  });
}

/** A file that has been initialised may be served meanwhile: repairing it is an ordinary transaction beside the daemon. */
function withLock(
  database: DatabasePlan,
  { files }: Machine,
  work: (isServed: boolean) => InstallResult,
): InstallResult {
  let lock: FileLock | null = null;
  try {
    lock = files.lock(database.path);
  } catch (error) {
    const isServed = error instanceof SqlsyncError && error.code === 'database-in-use';
    if (!isServed || database.identity === null) throw error;
  }
  try {
    const result = work(lock === null);
    lock?.release();
    return result;
  } catch (error) {
    lock?.abandon();
    throw error;
  }
}

function createMissingSecret(secretFile: string | null): string | null {
  if (secretFile === null || existsSync(secretFile)) return null;
  createSecretFile(secretFile);
  return secretFile;
}
