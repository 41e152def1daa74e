/**
 * `sqlsync doctor`: reads what the configuration, the files and the host tell, and puts it to the checks. Nothing is
 * changed. What cannot be read is a finding, and keeps no other check from being made.
 */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Config, loadConfig } from '../../config.js';
import { type ErrorBody, SqlsyncError } from '../../errors.js';
import { readSecrets } from '../../secrets.js';
import { shellWord } from '../../shell-word.js';
import { checkClock } from './clock-checks.js';
import { checkConfiguration } from './configuration-checks.js';
import type { DoctorDeps, DoctorTarget } from './doctor-deps.js';
import { examineDatabase } from './examine-database.js';
import { type DatabaseFinding, type Finding, failed, found } from './finding.js';

export interface DoctorRequest {
  /** Names of the configuration, or paths; empty: all of the configuration. */
  readonly databases: readonly string[];
  /** Reads the files whole. */
  readonly deep: boolean;
  /** Undefined: the one of the usual places. */
  readonly configFile: string | undefined;
}

export interface DoctorReport {
  readonly items: readonly Finding[];
  readonly total: number;
  readonly nextCursor: null;
  /** No finding is an error. */
  readonly healthy: boolean;
}

const SEVERITIES: readonly Finding['severity'][] = ['error', 'warning', 'info'];

export async function diagnose(request: DoctorRequest, deps: DoctorDeps): Promise<DoctorReport> {
  const { config, failure } = readConfig(request, deps);
  const targets = targetsOf(request, config);
  const ofHost = [
    ...(failure === null ? [] : [failed(failure)]),
    versions(deps),
    ...checkClock(await deps.host.isClockSynchronised()),
    ...(config === null ? [] : inConfiguration(config, deps)),
  ];
  const items = ofHost.map((finding) => inPlace(finding, null));
  for (const target of targets) {
    const findings = await examineDatabase({ target, context: { config, deep: request.deep }, deps });
    items.push(...findings.map((finding) => inPlace(finding, target.label)));
  }
  const inOrder = items.sort((x, y) => SEVERITIES.indexOf(x.severity) - SEVERITIES.indexOf(y.severity));
  const healthy = inOrder.every(({ severity }) => severity !== 'error');
  return { items: inOrder, total: inOrder.length, nextCursor: null, healthy };
}

function inPlace({ code, severity, message, what }: DatabaseFinding, database: string | null): Finding {
  return { code, severity, database, message, what };
}

/** A file can be looked at without a configuration, if it is named. */
function readConfig(
  { configFile, databases }: DoctorRequest,
  { env }: DoctorDeps,
): { readonly config: Config | null; readonly failure: ErrorBody | null } {
  try {
    return { config: loadConfig({ file: configFile, env }), failure: null };
  } catch (error) {
    if (!(error instanceof SqlsyncError)) throw error;
    const isNamed = configFile !== undefined || Boolean(env.SQLSYNC_CONFIG);
    const isOptional = error.code === 'config-missing' && !isNamed && databases.length > 0;
    return { config: null, failure: isOptional ? null : error.toBody() };
  }
}

function targetsOf({ databases }: DoctorRequest, config: Config | null): DoctorTarget[] {
  const known = config?.databases ?? [];
  if (databases.length === 0)
    return known.map((database) => ({ label: database.name, path: database.path, configured: database }));
  return databases.map((nameOrPath) => {
    const path = resolve(nameOrPath);
    const configured =
      known.find((one) => one.name === nameOrPath || realPathOf(one.path) === realPathOf(path)) ?? null;
    return { label: configured?.name ?? path, path: configured?.path ?? path, configured };
  });
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function versions({ host, version }: DoctorDeps): DatabaseFinding {
  return found('versions', `sqlsync ${version}, Node ${host.nodeVersion}, SQLite ${host.sqliteVersion}`, null);
}

function inConfiguration(config: Config, { host, env }: DoctorDeps): DatabaseFinding[] {
  return [...checkConfiguration({ config, entryOf: host.entryOf }), ...inSecrets(config, { host, env })];
}

/** What is handed to the daemon alone, or is another user's, cannot be judged from here. */
function inSecrets({ file, secretFile }: Config, { host, env }: Pick<DoctorDeps, 'host' | 'env'>): DatabaseFinding[] {
  if (secretFile === null && !env.SQLSYNC_SECRET) {
    const message = 'the configuration names no secretFile: whether the daemon is handed SQLSYNC_SECRET is not known';
    return [found('secret-unknown', message, 'sqlsync start says if it is missing')];
  }
  const owner = secretFile === null ? null : (host.entryOf(secretFile)?.uid ?? null);
  if (owner !== null && host.user !== null && host.user.uid !== 0 && host.user.uid !== owner) {
    const message = `the secret file ${secretFile} is that of ${host.userName(owner)}, and was not read`;
    const command = `sudo -u '#${owner}' sqlsync doctor -c ${shellWord(file)}`;
    return [found('secret-unknown', message, `look as that user: ${command}`)];
  }
  try {
    readSecrets({ secretFile }, env);
    return [];
  } catch (error) {
    if (error instanceof SqlsyncError) return [failed(error.toBody())];
    throw error;
  }
}
