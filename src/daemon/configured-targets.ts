/** Peers of the configuration as a process speaks to them that serves a file without being a daemon. */

import type { PeerConfig } from '../config.js';
import type { DaemonSettings } from './daemon-settings.js';
import type { DatabaseService } from './database/database-service.js';
import { pausedPeers } from './file/paused-peers.js';
import { exchange } from './peer/exchange.js';
import { HttpPeer } from './peer/http-peer.js';
import { credentialsFor } from './peer/peer-credentials.js';
import { PeerProofs } from './peer/peer-proofs.js';
import { PeerRecord } from './peer/peer-record.js';
import type { PeerTarget } from './peer/peer-target.js';
import { BearerSecrets } from './server/bearer-secrets.js';

/** Lets go of the connections to them when the work is over. */
export async function withConfiguredTargets<Result>(
  service: DatabaseService,
  peers: readonly PeerConfig[],
  settings: DaemonSettings,
  work: (targets: readonly PeerTarget[]) => Promise<Result>,
): Promise<Result> {
  const clients: HttpPeer[] = [];
  const paused = pausedPeers(service.side);
  const targets = peers.map((peer) => {
    const client = clientFor(peer, service, settings);
    clients.push(client);
    return targetFor(peer, client, service, paused.includes(peer.name));
  });
  try {
    return await work(targets);
  } finally {
    for (const client of clients) await client.close();
  }
}

function clientFor(
  { name, url, fingerprint: fingerprints }: PeerConfig,
  service: DatabaseService,
  { secrets, clientTls: tls, limits }: DaemonSettings,
): HttpPeer {
  const known = new BearerSecrets(secrets);
  const proofs = new PeerProofs((freshness) => credentialsFor(service, known, name, freshness));
  return new HttpPeer({ name, url, proofs, fingerprints, tls, limits });
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
    askRules: (question, signal) => client.askRules(service.name, question, signal),
  };
}
