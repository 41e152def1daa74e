/**
 * One exchange with the peers of the configuration, without a daemon: this process takes the files' locks for as long as
 * it lasts, and each file is served as a daemon would.
 */

import type { Logger } from 'pino';
import type { PeerConfig } from '../config.js';
import { SqlsyncError } from '../errors.js';
import type { SyncProgress, SyncResult, SyncTargets } from '../operations/running-daemon.js';
import type { DaemonSettings } from './daemon-settings.js';
import type { DatabaseService } from './database/database-service.js';
import { pausedPeers } from './file/paused-peers.js';
import { exchange } from './peer/exchange.js';
import { HttpPeer } from './peer/http-peer.js';
import { credentialsFor } from './peer/peer-credentials.js';
import { exchangePaused } from './peer/peer-failure.js';
import { PeerProofs } from './peer/peer-proofs.js';
import { PeerRecord } from './peer/peer-record.js';
import { serveOnce } from './serve-once.js';
import { BearerSecrets } from './server/bearer-secrets.js';

export interface SyncOnceOptions {
  readonly which: SyncTargets;
  readonly logger: Logger;
  readonly onProgress: (progress: SyncProgress) => void;
  readonly signal: AbortSignal;
}

/** What fails with one peer is told in its result. Throws what keeps a file from being served. */
export async function syncOnce(settings: DaemonSettings, options: SyncOnceOptions): Promise<SyncResult[]> {
  const { which, logger, signal } = options;
  const results: SyncResult[] = [];
  for (const database of settings.databases) {
    const peers = peersFor(settings, database.name, which);
    if (peers.length === 0) continue;
    await serveOnce(database, { limits: settings.limits, logger, signal }, async (service) => {
      for (const peer of peers) results.push(await syncWith(peer, service, settings, options));
    });
  }
  return results;
}

/** The configured peers that are asked for. */
export function peersFor(settings: DaemonSettings, database: string, { databases, peers }: SyncTargets): PeerConfig[] {
  if (databases.length > 0 && !databases.includes(database)) return [];
  return settings.peers.filter(
    (peer) =>
      (peer.databases.includes('*') || peer.databases.includes(database)) &&
      (peers.length === 0 || peers.includes(peer.name)),
  );
}

async function syncWith(
  { name, url, direction, fingerprint: fingerprints }: PeerConfig,
  service: DatabaseService,
  { secrets, clientTls: tls, limits }: DaemonSettings,
  { onProgress, signal }: SyncOnceOptions,
): Promise<SyncResult> {
  const known = new BearerSecrets(secrets);
  const proofs = new PeerProofs((freshness) => credentialsFor(service, known, name, freshness));
  const client = new HttpPeer({ name, url, proofs, fingerprints, tls, limits });
  const peer = new PeerRecord(name);
  peer.direction = direction;
  const database = service.name;
  let error: SqlsyncError | null = null;
  try {
    if (pausedPeers(service.side).includes(name)) throw exchangePaused(name);
    const tell: Parameters<typeof exchange>[0]['onProgress'] = (progress) =>
      onProgress({ ...progress, database, peer: name });
    await exchange({ service, client, peer, signal, onProgress: tell });
  } catch (caught) {
    if (!(caught instanceof SqlsyncError)) throw caught;
    error = caught;
  } finally {
    await client.close();
  }
  const { rowsSent, rowsReceived, bytesSent, bytesReceived } = peer;
  return { database, peer: name, rowsSent, rowsReceived, bytesSent, bytesReceived, error: error?.toBody() ?? null };
}
