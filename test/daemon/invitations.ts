/** Invitations between nodes of this process, by the operations that the commands call. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '../../src/config.js';
import { peerSnapshots } from '../../src/daemon/peer-snapshots.js';
import { inviteDeps, memberKeys, thisMachine } from '../../src/daemon/this-machine.js';
import { type Invitation, parseInvitation } from '../../src/invitation.js';
import { type InviteRequest, inviteNode } from '../../src/operations/invite-node.js';
import { type JoinRequest, joinDatabase } from '../../src/operations/join-database.js';
import { revokeMember } from '../../src/operations/revoke-member.js';
import { type NodeOptions, TestNode } from './node.js';

/** The invitation that the sponsor, whose daemon runs, makes for a node of that name. */
export function invite(sponsor: TestNode, node: string, more: Partial<InviteRequest> = {}): Invitation {
  const tls = sponsor.settings().serverTls;
  const cert = join(sponsor.folder, `${sponsor.name}.crt`);
  if (tls !== null) writeFileSync(cert, tls.cert);
  const config = parseConfig(
    JSON.stringify({
      node: sponsor.name,
      listen: '127.0.0.1:1',
      databases: [{ name: 'shop', path: sponsor.path }],
      ...(tls !== null && { tls: { cert, key: cert } }),
    }),
    join(sponsor.folder, 'sponsor.yml'),
  );
  const request = {
    node,
    access: 'write',
    expiresMs: 60_000,
    url: sponsor.url,
    command: `invite ${node}`,
    ...more,
  } as const;
  return parseInvitation(
    inviteNode(config, { name: 'shop', path: sponsor.path, identity: 'ask' }, request, inviteDeps).invite,
  );
}

/** Joins by it, under another file name if need be. The node knows no secret. */
export async function joinBy(
  invitation: Invitation,
  folder: string,
  options: NodeOptions & { file?: string } = {},
): Promise<TestNode> {
  const { node, url, database } = invitation;
  const { file = node, ...nodeOptions } = options;
  const path = join(folder, `${file}.db`);
  const signal = new AbortController().signal;
  const request: JoinRequest = {
    url,
    invitation,
    path,
    node: undefined,
    name: database,
    listen: undefined,
    secretFile: undefined,
    replace: false,
    merge: null,
    command: 'join INVITE',
  };
  await joinDatabase(
    request,
    { file: join(folder, `${file}.yml`), existing: null },
    { ...thisMachine, keys: memberKeys, snapshots: peerSnapshots({ config: null, signal, onProgress: () => {} }) },
  );
  return TestNode.of(folder, file, { secrets: [], ...nodeOptions });
}

export function revoke(by: TestNode, member: string): void {
  const order = { dryRun: false, command: `members revoke ${member}` };
  revokeMember({ name: 'shop', path: by.path, identity: 'ask' }, member, order, thisMachine);
}
