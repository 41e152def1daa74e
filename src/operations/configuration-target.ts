/**
 * The configuration that `init` and `join` write to, what it says already, and what is chosen where it says nothing.
 * Nothing is written here: what comes out are additions for config-edit.ts.
 */
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Config, type DatabaseConfig, loadConfig } from '../config.js';
import type { ConfigAdditions, TlsAddition } from '../config-edit.js';
import { CONFIG_NAME, findConfigFile, type SearchOptions } from '../config-search.js';
import { SqlsyncError } from '../errors.js';
import { isLoopback, parseListenAddress } from '../listen-address.js';
import { databaseNameFromPath, nodeNameFromHost } from './default-names.js';

const SECRET_NAME = 'sqlsync.secret';
const CERTIFICATE_NAME = 'sqlsync.crt';
const KEY_NAME = 'sqlsync.key';

/** What the operator asked for; undefined: nothing was said. */
export interface NodeRequest {
  readonly node: string | undefined;
  /** `host:port` */
  readonly listen: string | undefined;
  readonly secretFile: string | undefined;
}

export interface ConfigurationTarget {
  readonly file: string;
  /** Null: there is no such file yet. */
  readonly existing: Config | null;
}

/** The file that --config or SQLSYNC_CONFIG names, else the one in the working directory, whether it is there or not. */
export function findConfigurationTarget(search: SearchOptions = {}): ConfigurationTarget {
  const { cwd = process.cwd(), env = process.env } = search;
  const named = search.file ?? (env.SQLSYNC_CONFIG || undefined);
  const file = resolve(cwd, named ?? CONFIG_NAME);
  if (!existsSync(file)) return { file, existing: null };
  if (named === undefined && findConfigFile(search) !== file) {
    throw new SqlsyncError('config-missing', `${file} belongs to another user and was not taken`, {
      hint: `If you trust it, name it: --config ${file}`,
    });
  }
  return { file, existing: loadConfig({ ...search, file }) };
}

/** The configuration of the usual places; null: there is none, and none was named. */
export function loadConfigIfAny(search: SearchOptions = {}): Config | null {
  const isNamed = search.file !== undefined || Boolean((search.env ?? process.env).SQLSYNC_CONFIG);
  try {
    return loadConfig(search);
  } catch (error) {
    if (!isNamed && error instanceof SqlsyncError && error.code === 'config-missing') return null;
    throw error;
  }
}

/**
 * The node's name: asked for, else in the configuration, else in the database file, else made of the host's name.
 * These must not contradict each other: a file that took part under one name cannot go on under another.
 */
export function chooseNodeName(
  asked: string | undefined,
  { file, existing }: ConfigurationTarget,
  inDatabase: string | null,
  hostname: string,
): string {
  const node = asked ?? existing?.node ?? inDatabase ?? nodeNameFromHost(hostname);
  if (existing && existing.node !== node) {
    throw new SqlsyncError('usage', `${file} is the configuration of node ${existing.node}, not of ${node}`, {
      hint: `Leave out --node, or name a configuration of its own: --config FILE`,
    });
  }
  if (inDatabase !== null && inDatabase !== node) {
    throw new SqlsyncError('usage', `the database belongs to node ${inDatabase}, not to ${node}`, {
      hint: `Go on under that name: --node ${inDatabase}`,
    });
  }
  return node;
}

/** The secret file: asked for, else configured, else one beside the configuration; null: the environment holds the secret. */
export function chooseSecretFile(
  asked: string | undefined,
  { file, existing }: ConfigurationTarget,
  env: Readonly<Record<string, string | undefined>>,
): string | null {
  if (asked !== undefined) return resolve(asked);
  if (existing?.secretFile) return existing.secretFile;
  return env.SQLSYNC_SECRET ? null : join(dirname(file), SECRET_NAME);
}

/** The configured database that is this file, by whatever path; null: none. */
export function configuredDatabase({ existing }: ConfigurationTarget, path: string): DatabaseConfig | null {
  const real = realPathOf(path);
  return existing?.databases.find((database) => realPathOf(database.path) === real) ?? null;
}

function realPathOf(path: string): string {
  return existsSync(path) ? realpathSync(path) : resolve(path);
}

/** A database's name: the one under which its path is configured, else the one asked for, else made of its path. */
export function chooseDatabaseName(asked: string | undefined, path: string, target: ConfigurationTarget): string {
  const { file, existing } = target;
  const known = configuredDatabase(target, path);
  if (known && asked !== undefined && asked !== known.name) {
    throw new SqlsyncError('usage', `${path} is the database ${known.name} in ${file}, not ${asked}`, {
      hint: 'Names are the same on every node: change the file by hand if no other node has it yet.',
    });
  }
  const name = known?.name ?? asked ?? databaseNameFromPath(path);
  const namesake = known ? undefined : existing?.databases.find((database) => database.name === name);
  if (namesake) {
    throw new SqlsyncError('usage', `${file} has a database ${name} already: ${namesake.path}`, {
      hint: 'That file is it. Another database has another name, the same on every node: --name NAME',
    });
  }
  return name;
}

/** Who listens beyond this machine needs a certificate. */
function takesCertificate(listen: string | undefined, existing: Config | null): boolean {
  const address = parseListenAddress(listen ?? '');
  return address !== null && !isLoopback(address.host) && !existing?.tls?.cert;
}

function certificateBeside(file: string): TlsAddition {
  return { cert: join(dirname(file), CERTIFICATE_NAME), key: join(dirname(file), KEY_NAME) };
}

/** What is to stand in the configuration. What it says already in other words stays as it is. */
export function additionsFor(
  target: ConfigurationTarget,
  chosen: {
    readonly node: string;
    readonly listen: string | undefined;
    readonly secretFile: string | null;
    readonly database: { readonly name: string; readonly path: string };
  },
): ConfigAdditions {
  const { existing } = target;
  const { node, listen, secretFile, database } = chosen;
  return {
    ...(existing?.node !== node && { node }),
    ...(listen !== undefined && { listen }),
    ...(secretFile !== null && secretFile !== existing?.secretFile && { secretFile }),
    ...(takesCertificate(listen, existing) && { tls: certificateBeside(target.file) }),
    ...(configuredDatabase(target, database.path) === null && { database }),
  };
}
