/** Snapshots from a peer over HTTP, for `join`: see operations/join-database.ts. */
import type { Config, Limits } from '../config.js';
import { limitsSchema } from '../config-limits.js';
import type { SnapshotSource } from '../operations/join-database.js';
import { WIRE_VERSION, WIRE_VERSION_MIN } from '../replication/wire-messages.js';
import { readClientTls } from './daemon-settings.js';
import { HttpPeer } from './peer/http-peer.js';
import { BearerSecrets } from './server/bearer-secrets.js';
import { receiveSnapshot, type SnapshotProgress } from './stream/receive-snapshot.js';

export interface PeerSnapshotsOptions {
  /** Null: there is none yet, and its defaults hold. */
  readonly config: Config | null;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: SnapshotProgress) => void;
}

export function peerSnapshots({ config, signal, onProgress }: PeerSnapshotsOptions): SnapshotSource {
  const limits: Limits = config?.limits ?? limitsSchema.parse({});
  const tls = config === null ? null : readClientTls(config);
  return {
    download: async ({ url, database, node, nodeId, secret, joins, rejoining = null }, path) => {
      const { authorization } = new BearerSecrets([secret]);
      const client = new HttpPeer({ name: 'the peer', url, authorization: () => authorization, tls, limits });
      const request = {
        wireVersion: WIRE_VERSION,
        wireVersionMin: WIRE_VERSION_MIN,
        database,
        node,
        nodeId,
        access: 'write' as const,
        joins,
        rejoining,
      };
      let bytes = 0;
      try {
        const sponsor = await receiveSnapshot({
          client,
          request,
          path,
          limits,
          signal,
          onProgress: (progress) => {
            bytes = progress.bytes;
            onProgress(progress);
          },
        });
        return { peer: sponsor.node, database: sponsor.database, bytes };
      } finally {
        await client.close();
      }
    },
  };
}
