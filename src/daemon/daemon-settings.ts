/** What a daemon runs by: the configuration, and what that only points to, read from its files. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Config } from '../config.js';
import { SqlsyncError } from '../errors.js';
import type { WireVersions } from '../replication/older-wire.js';
import { readSecrets } from '../secrets.js';
import { readMemberKey } from './file/member-key-file.js';
import { SideDirectory } from './file/side-directory.js';
import type { ClientTls } from './peer/peer-address.js';
import type { ServerTls } from './server/http-listener.js';

/** What a daemon needs of the configuration, and what the configuration only points to. */
export interface DaemonSettings
  extends Pick<
    Config,
    'node' | 'listen' | 'admin' | 'databases' | 'peers' | 'limits' | 'prune' | 'verify' | 'backup' | 'optimise' | 'log'
  > {
  readonly secrets: readonly string[];
  readonly serverTls: ServerTls | null;
  readonly clientTls: ClientTls | null;
  /** What is spoken with peers, where it is not all that this version can: no configuration says so. */
  readonly wire?: WireVersions;
}

/** Throws secret-missing, secret-exposed, or config-invalid for a file of `tls` that cannot be read. */
export function readDaemonSettings(config: Config): DaemonSettings {
  return {
    ...config,
    secrets: readSecretsIfAny(config),
    serverTls: readServerTls(config),
    clientTls: readClientTls(config),
  };
}

/** A node that was invited has a key of its own, and need know no secret. */
function readSecretsIfAny(config: Config): string[] {
  const isKnownByKey = config.databases.some(
    ({ path }) => readMemberKey(SideDirectory.at(realPathOf(path)), config.node) !== null,
  );
  if (isKnownByKey && config.secretFile === null && !process.env.SQLSYNC_SECRET) return [];
  return readSecrets(config);
}

function realPathOf(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

/** Null: the system's certificates do. */
export function readClientTls({ tls, file }: Config): ClientTls | null {
  if (tls === null) return null;
  const read = (key: 'ca' | 'cert' | 'key') => readPem(tls[key], `tls.${key}`, file);
  const [ca, cert, key] = [read('ca'), read('cert'), read('key')];
  return { ...(ca !== null && { ca }), ...(cert !== null && { cert }), ...(key !== null && { key }) };
}

function readServerTls({ tls, file }: Config): ServerTls | null {
  if (tls === null) return null;
  const read = (key: 'ca' | 'cert' | 'key') => readPem(tls[key], `tls.${key}`, file);
  const [ca, cert, key] = [read('ca'), read('cert'), read('key')];
  if (cert === null || key === null) return null;
  const server = { cert, key, ...(ca !== null && { ca }), requestCert: tls.clientAuth === 'required' };
  assertServes(server, tls.cert, file);
  return server;
}

/** Throws config-invalid for what is no certificate, or for a key that is another's. */
function assertServes(tls: ServerTls, path: string | null, configFile: string): void {
  try {
    createSecureContext(tls);
  } catch (cause) {
    throw new SqlsyncError('config-invalid', `${configFile}: tls: ${path}: ${(cause as Error).message}`, {
      hint: 'tls.cert and tls.key must be PEM files that belong together.',
      cause,
    });
  }
}

function readPem(path: string | null, key: string, configFile: string): string | null {
  if (path === null) return null;
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SqlsyncError('config-invalid', `${configFile}: ${key}: ${(cause as Error).message}`, {
      hint: 'Name a PEM file that this user can read.',
      cause,
    });
  }
}
