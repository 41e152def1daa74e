/** Snapshots from a peer over HTTP, and enrolment there by an invitation, for `join`: see operations/join-database.ts. */
import type { Config, Limits } from '../config.js';
import { limitsSchema } from '../config-limits.js';
import { type Freshness, memberProof, secretProof } from '../member-key.js';
import type { PeerAccess, SnapshotSource } from '../operations/join-database.js';
import { WIRE_VERSION, WIRE_VERSION_MIN } from '../replication/wire-messages.js';
import { readClientTls } from './daemon-settings.js';
import { HttpPeer } from './peer/http-peer.js';
import { MEMBER_HEADER } from './peer/peer-credentials.js';
import { type PeerCredentials, PeerProofs } from './peer/peer-proofs.js';
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
  const clientFor = (url: string, fingerprints: readonly string[] | null, proofs: PeerProofs) =>
    new HttpPeer({ name: 'the peer', url, fingerprints, proofs, tls, limits });
  return {
    enrol: async ({ url, fingerprint, database, node, id: invite, secret }, { publicKey }) => {
      const client = clientFor(url, fingerprint === null ? null : [fingerprint], new PeerProofs(() => ({})));
      try {
        return await client.enrol({ database, invite, secret, node, publicKey }, signal);
      } finally {
        await client.close();
      }
    },
    download: async ({ url, database, node, nodeId, by, access, joins, rejoining = null }, path) => {
      const client = clientFor(url, by.fingerprints, new PeerProofs((freshness) => credentialsBy(by, freshness)));
      const versions = { wireVersion: WIRE_VERSION, wireVersionMin: WIRE_VERSION_MIN };
      const request = { ...versions, database, node, nodeId, access, joins, rejoining };
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

/** Whose name is not known yet, only the secret itself can be shown to. */
function credentialsBy({ secret, member, sponsor }: PeerAccess, freshness: Freshness): PeerCredentials {
  const shown = secret !== null && sponsor !== null ? secretProof(secret, { node: sponsor, ...freshness }) : secret;
  const proof =
    member === null || sponsor === null ? null : memberProof(member.key, { ...member, node: sponsor, ...freshness });
  return {
    ...(shown !== null && { authorization: `Bearer ${shown}` }),
    ...(proof !== null && { [MEMBER_HEADER]: proof }),
  };
}
