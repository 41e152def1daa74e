/** What a daemon runs by: the configuration, and what that only points to, read from its files. */
import { readFileSync } from 'node:fs';
import type { Config } from '../config.js';
import { SqlsyncError } from '../errors.js';
import { readSecrets } from '../secrets.js';
import type { DaemonSettings } from './daemon.js';
import type { ClientTls } from './peer/peer-address.js';
import type { ServerTls } from './server/http-listener.js';

/** Throws secret-missing, secret-exposed, or config-invalid for a file of `tls` that cannot be read. */
export function readDaemonSettings(config: Config): DaemonSettings {
  return {
    ...config,
    secrets: readSecrets(config),
    serverTls: readServerTls(config),
    clientTls: readClientTls(config),
  };
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
  return { cert, key, ...(ca !== null && { ca }), requestCert: tls.clientAuth === 'required' };
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
