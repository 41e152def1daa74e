import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { PeerProofs } from '../../../src/daemon/peer/peer-proofs.js';
import { MEMBER_CONNECTIONS_MAX } from '../../../src/daemon/server/connection-guard.js';
import { memberKeys } from '../../../src/daemon/this-machine.js';
import { type MemberKey, makeMemberKey, memberProof } from '../../../src/member-key.js';
import { WIRE_VERSION, WIRE_VERSION_MIN } from '../../../src/replication/wire-messages.js';
import { fingerprintOfPem, makeCertificate } from '../../../src/self-made-certificate.js';
import { makeFolder } from '../../support/make-folder.js';
import { invite, joinBy, revoke } from '../invitations.js';
import { LIMITS, TestNode } from '../node.js';

const soon = { interval: 20, timeout: 10_000 };

async function paris(options: Parameters<typeof TestNode.first>[2] = {}): Promise<TestNode> {
  const node = TestNode.first(makeFolder(), 'paris', options);
  node.insert(1, 'tea');
  return node.start();
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: { code: string }) => error.code,
  );

const memberProofs = (key: MemberKey, dataset: string, node: string) =>
  new PeerProofs((freshness) => ({ 'sqlsync-member': memberProof(key, { dataset, node, ...freshness }) }));

/** Asks in a member's name, as whoever has its key can. */
async function ask(node: TestNode, key: MemberKey, path: string, body: unknown, addressee = node.name) {
  const { dataset } = await node.hello();
  const proofs = memberProofs(key, dataset, addressee);
  const once = async () =>
    request(`${node.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(await proofs.headers()) },
      body: JSON.stringify(body),
    });
  let answered = await once();
  if (proofs.learn(answered.headers)) answered = await once();
  const { statusCode, body: answer } = answered;
  const { error } = (await answer.json().catch(() => ({}))) as { error?: { code: string } };
  return { status: statusCode, code: error?.code ?? null };
}

describe('an invitation', () => {
  it('lets a node in that knows no secret, over TLS with a certificate that the sponsor made itself', async () => {
    const own = makeCertificate('paris', '127.0.0.1', new Date());
    const sponsor = await paris({ serverTls: { ...own, requestCert: false } });
    const invitation = invite(sponsor, 'lyon');
    expect(invitation).toMatchObject({ sponsor: 'paris', fingerprint: fingerprintOfPem(own.cert) });
    const lyon = await joinBy(invitation, sponsor.folder, { listens: false });
    expect(lyon.names()).toEqual(['tea']);
    await lyon.start({ peers: [{ ...sponsor.asPeer, fingerprint: [invitation.fingerprint as string] }] });
    sponsor.insert(2, 'coffee');
    lyon.insert(3, 'cocoa');
    await vi.waitFor(() => expect(lyon.names()).toEqual(['tea', 'coffee', 'cocoa']), soon);
    await vi.waitFor(() => expect(sponsor.names()).toEqual(['tea', 'coffee', 'cocoa']), soon);
    expect(await (await lyon.control()).sync({ databases: [], peers: [] })).toMatchObject([{ error: null }]);
  });

  it('sends nothing to a server that shows another certificate', async () => {
    const own = makeCertificate('paris', '127.0.0.1', new Date());
    const sponsor = await paris({ serverTls: { ...own, requestCert: false } });
    const fingerprint = fingerprintOfPem(makeCertificate('paris', '127.0.0.1', new Date()).cert);
    expect(await codeOf(joinBy({ ...invite(sponsor, 'lyon'), fingerprint }, sponsor.folder))).toBe('peer-certificate');
    const lyon = await joinBy(invite(sponsor, 'lyon'), sponsor.folder, { listens: false });
    await lyon.start({ peers: [{ ...sponsor.asPeer, fingerprint: [fingerprint] }] });
    await vi.waitFor(async () => expect((await lyon.peer('paris'))?.lastError?.code).toBe('peer-certificate'), soon);
  });

  it('is good once: of two that race one wins, and the other is told', async () => {
    const sponsor = await paris();
    const invitation = invite(sponsor, 'lyon');
    const folders = Array.from({ length: 5 }, () => makeFolder());
    const codes = await Promise.all(folders.map((folder) => codeOf(joinBy(invitation, folder))));
    expect(codes.sort()).toEqual(['invite-used', 'invite-used', 'invite-used', 'invite-used', 'none']);
  });

  it('can be used again by the one who used it, whose join was cut short', async () => {
    const sponsor = await paris();
    const invitation = invite(sponsor, 'lyon');
    const folder = makeFolder();
    const { publicKey } = makeMemberKey('lyon');
    const client = sponsor.client();
    const shown = { database: 'shop', invite: invitation.id, secret: invitation.secret, node: 'lyon', publicKey };
    await client.enrol(shown);
    await expect(client.enrol(shown)).resolves.toMatchObject({ access: 'write' });
    await client.close();
    expect(await codeOf(joinBy(invitation, folder))).toBe('invite-used');
  });

  it('has an end, is for one name, and cannot be made up', async () => {
    const sponsor = await paris();
    const client = sponsor.client();
    const expired = invite(sponsor, 'lyon', { expiresMs: 1 });
    const good = invite(sponsor, 'nice');
    const { publicKey } = makeMemberKey('x');
    const show = ({ id, secret, node }: typeof good) =>
      codeOf(client.enrol({ database: 'shop', invite: id, secret, node, publicKey }));
    await vi.waitFor(async () => expect(await show(expired)).toBe('invite-expired'), soon);
    expect(await show({ ...good, node: 'lyon' })).toBe('invite-refused');
    expect(await show({ ...good, secret: 'x'.repeat(43) })).toBe('invite-refused');
    expect(await show({ ...good, id: '0'.repeat(16) })).toBe('invite-refused');
    expect(await show(good)).toBe('none');
    await client.close();
  });

  it('is kept as a digest only, and what is kept beside a file is for its owner', async () => {
    const sponsor = await paris();
    const { secret, id } = invite(sponsor, 'lyon');
    const kept = join(`${sponsor.path}.sqlsync`, 'invites');
    expect(readdirSync(kept)).toEqual([`${id}.json`]);
    expect(readFileSync(join(kept, `${id}.json`), 'utf8')).not.toContain(secret);
    const rows = sponsor.application.prepare('SELECT command, detail FROM _sqlsync_operation').all();
    expect(JSON.stringify(rows)).not.toContain(secret);
  });

  it('makes a reader of who is invited to read, whatever it asks for', async () => {
    const sponsor = await paris();
    await joinBy(invite(sponsor, 'lyon', { access: 'read' }), sponsor.folder);
    const key = memberKeys.read(join(sponsor.folder, 'lyon.db'), 'lyon') as MemberKey;
    const versions = { wireVersion: WIRE_VERSION, wireVersionMin: WIRE_VERSION_MIN };
    const asked = {
      ...versions,
      database: 'shop',
      node: 'lyon',
      nodeId: 'ab'.repeat(16),
      access: 'write',
      joins: true,
      rejoining: null,
    };
    expect(await ask(sponsor, key, '/v1/snapshot', asked)).toMatchObject({ status: 200 });
    const access = sponsor.application.prepare("SELECT access FROM _sqlsync_member WHERE name = 'lyon'").pluck().all();
    expect(new Set(access)).toEqual(new Set(['read']));
  });
});

describe('a member with a key of its own', () => {
  it('is known by nodes that never invited it', async () => {
    const sponsor = await paris();
    const lyon = await joinBy(invite(sponsor, 'lyon'), sponsor.folder);
    await lyon.start({ peers: [sponsor.asPeer] });
    const nice = await joinBy(invite(sponsor, 'nice'), sponsor.folder, { listens: false });
    // Nice dials lyon alone, which was in touch with paris when nice was invited.
    await nice.start({ peers: [lyon.asPeer] });
    nice.insert(7, 'from nice');
    await vi.waitFor(() => expect(lyon.names()).toContain('from nice'), soon);
    await vi.waitFor(() => expect(sponsor.names()).toContain('from nice'), soon);
  });

  it('is dialed by a node that knows the secret, and that it never heard the secret of', async () => {
    const sponsor = await paris();
    const old = await TestNode.joining(sponsor, 'old', { listens: false });
    const lyon = await joinBy(invite(sponsor, 'lyon'), sponsor.folder);
    await lyon.start({ peers: [sponsor.asPeer] });
    await old.start({ peers: [sponsor.asPeer, lyon.asPeer] });
    await vi.waitFor(async () => expect((await old.peer('lyon'))?.state).toBe('online'), soon);
    await sponsor.stop();
    old.insert(7, 'from old');
    await vi.waitFor(() => expect(lyon.names()).toContain('from old'), soon);
  });

  it('speaks for itself alone, and what it proves to one node is of no use at another', async () => {
    const sponsor = await paris();
    const lyon = await joinBy(invite(sponsor, 'lyon'), sponsor.folder);
    await lyon.start({ peers: [sponsor.asPeer] });
    const key = memberKeys.read(lyon.path, 'lyon') as MemberKey;
    const hello = await lyon.hello();
    const asNice = { ...hello, node: 'nice', nodeId: 'cd'.repeat(16), session: null };
    expect(await ask(sponsor, key, '/v1/hello', hello)).toMatchObject({ status: 200 });
    for (const path of ['/v1/hello', '/v1/pull']) {
      expect(await ask(sponsor, key, path, asNice)).toEqual({ status: 403, code: 'peer-refused' });
    }
    const versions = { wireVersion: WIRE_VERSION, wireVersionMin: WIRE_VERSION_MIN };
    const asked = {
      ...versions,
      database: 'shop',
      node: 'nice',
      nodeId: 'cd'.repeat(16),
      access: 'write',
      joins: true,
      rejoining: null,
    };
    expect(await ask(sponsor, key, '/v1/snapshot', asked)).toEqual({ status: 403, code: 'peer-refused' });
    expect(await ask(sponsor, key, '/v1/hello', hello, 'lyon')).toEqual({ status: 421, code: 'config-invalid' });
    expect(await ask(sponsor, makeMemberKey('lyon'), '/v1/hello', hello)).toEqual({
      status: 401,
      code: 'credential-unknown',
    });
    const forged = { ...makeMemberKey('lyon'), id: key.id };
    expect(await ask(sponsor, forged, '/v1/hello', hello)).toEqual({ status: 401, code: 'credential-unknown' });
  });

  it('has so many connections and no more, and so many snapshots', async () => {
    const sponsor = await paris();
    const lyon = await joinBy(invite(sponsor, 'lyon'), sponsor.folder);
    const key = memberKeys.read(lyon.path, 'lyon') as MemberKey;
    const { dataset } = await sponsor.hello();
    const proofs = memberProofs(key, dataset, 'paris');
    proofs.learn((await request(`${sponsor.url}/v1/changes`, { headers: await proofs.headers() })).headers);
    const url = `${sponsor.url.replace('http', 'ws')}/v1/live`;
    const shown = await Promise.all(Array.from({ length: MEMBER_CONNECTIONS_MAX + 5 }, () => proofs.headers()));
    const sockets = shown.map((headers) => new WebSocket(url, { headers }));
    const opened = await Promise.all(
      sockets.map((socket) =>
        once(
          socket.on('error', () => {}),
          'open',
        ).then(
          () => true,
          () => false,
        ),
      ),
    );
    expect(opened.filter((isOpen) => isOpen)).toHaveLength(MEMBER_CONNECTIONS_MAX);
    const others = sponsor.client();
    await expect(
      others.greet({ ...(await lyon.hello()), node: 'nice', nodeId: 'ef'.repeat(16), session: null }),
    ).resolves.toBeDefined();
    await others.close();
    for (const socket of sockets) socket.terminate();
    const versions = { wireVersion: WIRE_VERSION, wireVersionMin: WIRE_VERSION_MIN };
    const asked = {
      ...versions,
      database: 'shop',
      node: 'lyon',
      nodeId: 'ab'.repeat(16),
      access: 'write',
      joins: false,
      rejoining: null,
    };
    const askForOne = async () => (await ask(sponsor, key, '/v1/snapshot', asked)).code;
    await vi.waitFor(async () => expect(await askForOne()).toBeNull(), soon);
    const codes: (string | null)[] = [];
    for (let i = 0; i < 25; i += 1) codes.push(await askForOne());
    expect(codes.at(-1)).toBe('rate-limited');
  });

  it('is cut off by everybody within a second of hearing that it is revoked', async () => {
    const sponsor = await paris();
    const nice = await TestNode.joining(sponsor, 'nice');
    await nice.start({ peers: [sponsor.asPeer] });
    const lyon = await joinBy(invite(sponsor, 'lyon'), sponsor.folder);
    await lyon.start({ peers: [sponsor.asPeer, nice.asPeer] });
    await vi.waitFor(async () => {
      expect([(await lyon.peer('paris'))?.state, (await lyon.peer('nice'))?.state]).toEqual(['online', 'online']);
    }, soon);
    revoke(sponsor, 'lyon');
    await vi.waitFor(
      async () => {
        for (const node of [sponsor, nice]) expect(await node.peer('lyon')).toMatchObject({ state: 'error' });
        for (const name of ['paris', 'nice']) {
          expect((await lyon.peer(name))?.lastError?.code).toBe('credential-revoked');
        }
      },
      { interval: 20, timeout: 1_000 },
    );
    lyon.insert(9, 'too late');
    expect(await (await lyon.control()).sync({ databases: [], peers: [] })).toMatchObject([
      { error: { code: 'credential-revoked' } },
      { error: { code: 'credential-revoked' } },
    ]);
    expect(sponsor.names()).toEqual(['tea']);
    await expect(async () => invite(sponsor, 'lyon')).rejects.toMatchObject({ code: 'node-name-taken' });
  });

  it('can be revoked by its name where it only knows the secret', async () => {
    const sponsor = await paris();
    const lyon = await TestNode.joining(sponsor, 'lyon', { listens: false });
    await lyon.start({ peers: [sponsor.asPeer], limits: { ...LIMITS } });
    await vi.waitFor(async () => expect((await lyon.peer('paris'))?.state).toBe('online'), soon);
    revoke(sponsor, 'lyon');
    await vi.waitFor(async () => expect((await lyon.peer('paris'))?.lastError?.code).toBe('credential-revoked'), soon);
  });
});
