/** Comparisons with peers of the configuration, without a daemon: this process takes the file's lock for as long as it lasts. */
import type { Logger } from 'pino';
import type { Config, DatabaseConfig, PeerConfig } from '../config.js';
import type { VerifyDeps } from '../operations/verify-nodes.js';
import type { CompareRequest, VerifiedPeer } from '../operations/verify-report.js';
import { verifyAll } from './compare/verification.js';
import type { DaemonSettings } from './daemon.js';
import { readDaemonSettings } from './daemon-settings.js';
import type { DatabaseService } from './database/database-service.js';
import { pausedPeers } from './file/paused-peers.js';
import { createLogger } from './logger.js';
import { exchange } from './peer/exchange.js';
import { HttpPeer } from './peer/http-peer.js';
import { PeerRecord } from './peer/peer-record.js';
import type { PeerTarget } from './peer/peer-target.js';
import { serveOnce } from './serve-once.js';
import { BearerSecrets } from './server/bearer-secrets.js';
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
  return serveOnce(served, { limits: settings.limits, logger }, async (service) => {
    const clients: HttpPeer[] = [];
    const paused = pausedPeers(service.side);
    const targets = peers.map((peer) => {
      const client = clientFor(peer, settings);
      clients.push(client);
      return targetFor(peer, client, service, paused.includes(peer.name));
    });
    try {
      return await verifyAll(targets, { tables, mode, waitMsMax, onProgress, signal });
    } finally {
      for (const client of clients) await client.close();
    }
  });
}

function clientFor({ name, url }: PeerConfig, { secrets, clientTls: tls, limits }: DaemonSettings): HttpPeer {
  const { authorization } = new BearerSecrets(secrets);
  return new HttpPeer({ name, url, authorization: () => authorization, tls, limits });
}

function targetFor(
  { name, direction }: PeerConfig,
  client: HttpPeer,
  service: DatabaseService,
  isPaused: boolean,
): PeerTarget {
  const peer = new PeerRecord(name);
  Object.assign(peer, { direction, isPaused });
  return {
    service,
    peer,
    exchange: (onProgress, signal) => exchange({ service, client, peer, onProgress, signal }),
    ask: (question, signal) => client.ask(service.asker, question, signal),
  };
}
