/** Comparisons with peers of the configuration, without a daemon: this process takes the file's lock for as long as it lasts. */
import type { Logger } from 'pino';
import type { Config, DatabaseConfig } from '../config.js';
import type { VerifyDeps } from '../operations/verify-nodes.js';
import type { CompareRequest, VerifiedPeer } from '../operations/verify-report.js';
import { verifyAll } from './compare/verification.js';
import { withConfiguredTargets } from './configured-targets.js';
import { type DaemonSettings, readDaemonSettings } from './daemon-settings.js';
import { createLogger } from './logger.js';
import { serveOnce } from './serve-once.js';
import { peersFor } from './sync-once.js';
import { findDaemon, thisMachine } from './this-machine.js';

interface CompareOnceOptions extends Pick<VerifyDeps, 'onProgress' | 'signal'> {
  readonly request: CompareRequest;
  readonly logger: Logger;
}

/** What `verify` and `repair` need of this machine. */
export function verifyDeps(config: Config, watch: Pick<VerifyDeps, 'onProgress' | 'signal'>): VerifyDeps {
  const logger = createLogger({ level: 'silent', format: 'json', destination: process.stderr, environment: {} });
  return {
    ...watch,
    files: thisMachine.files,
    findDaemon,
    compareOnce: (request) => compareOnce(readDaemonSettings(config), { ...watch, request, logger }),
  };
}

/** What fails with one peer is told in its result. Throws what keeps the file from being served. */
async function compareOnce(
  settings: DaemonSettings,
  { request, logger, onProgress, signal }: CompareOnceOptions,
): Promise<VerifiedPeer[]> {
  const { database, tables, mode } = request;
  const { verifyWaitMsMax: waitMsMax } = settings.limits;
  const served = settings.databases.find(({ name }) => name === database) as DatabaseConfig;
  const peers = peersFor(settings, database, { databases: [database], peers: [...request.peers] });
  return serveOnce(served, { limits: settings.limits, logger }, (service) =>
    withConfiguredTargets(service, peers, settings, (targets) =>
      verifyAll(targets, { tables, mode, waitMsMax, onProgress, signal }),
    ),
  );
}
