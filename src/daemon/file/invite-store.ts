/**
 * Invitations of this node, kept beside the file: a command makes them, the daemon takes them. Of an invitation only the
 * digest of its secret is kept. It is used up by a file that only one can make, whatever happens at the same moment; who
 * used it may use it again with the same key, since a join that was cut short is done again.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SqlsyncError } from '../../errors.js';
import { withDatabaseErrors } from './database-error.js';
import { readJsonFile, type SideDirectory, writeJsonFile } from './side-directory.js';

const inviteSchema = z.strictObject({
  id: z.string(),
  node: z.string(),
  access: z.enum(['read', 'write']),
  expiresAtMs: z.number(),
  /** SHA-256 of the secret, hex. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
});
export type StoredInvite = Readonly<z.infer<typeof inviteSchema>>;

/** An invitation that nobody can use any more stays for so long, so that whoever tries is told why. */
const KEPT_MS = 7 * 86_400_000;
const INVITES_MAX = 1_000;
const INVITE = /^([0-9a-f]{16})\.json$/;

type InviteFolder = Pick<SideDirectory, 'invitesPath'>;

export function digestOfSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

export function addInvite(side: InviteFolder, invite: StoredInvite, nowMs: number): void {
  withDatabaseErrors(side.invitesPath, () => {
    mkdirSync(side.invitesPath, { recursive: true, mode: 0o700 });
    if (removeOld(side, nowMs) >= INVITES_MAX) {
      throw new SqlsyncError('usage', `${INVITES_MAX} invitations are open here`, {
        hint: `wait until some have expired, or remove ${side.invitesPath}, which ends them all`,
      });
    }
    writeJsonFile(pathOf(side, invite.id), invite);
  });
}

export interface Redemption {
  readonly id: string;
  readonly secret: string;
  readonly node: string;
  readonly publicKey: string;
}

/** Uses the invitation up. Throws `invite-refused`, `invite-expired` or `invite-used`, in that order. */
export function redeemInvite(
  side: InviteFolder,
  { id, secret, node, publicKey }: Redemption,
  nowMs: number,
): StoredInvite {
  const parsed = inviteSchema.safeParse(readJsonFile(pathOf(side, id)));
  const digest = Buffer.from(digestOfSecret(secret), 'hex');
  if (
    !parsed.success ||
    !timingSafeEqual(digest, Buffer.from(parsed.data.digest, 'hex')) ||
    parsed.data.node !== node
  ) {
    throw new SqlsyncError('invite-refused', 'the invitation is none of this node’s', {
      hint: 'have a new one made: sqlsync invite NODE',
    });
  }
  const user = userOf(side, id);
  if (user === publicKey) return parsed.data;
  if (user === null && nowMs >= parsed.data.expiresAtMs) {
    throw new SqlsyncError('invite-expired', `the invitation of ${node} has expired`, {
      hint: `have a new one made: sqlsync invite ${node}`,
    });
  }
  if (user !== null || !claim(side, id, publicKey)) {
    throw new SqlsyncError('invite-used', `the invitation of ${node} has been used`, {
      hint:
        `have a new one made: sqlsync invite ${node}. If it was not you who used it, somebody else has joined: ` +
        `sqlsync members revoke ${node}`,
    });
  }
  return parsed.data;
}

function userOf(side: InviteFolder, id: string): string | null {
  const used = readJsonFile(usedPathOf(side, id));
  return typeof used === 'string' ? used : null;
}

/** False: another has been faster. */
function claim(side: InviteFolder, id: string, publicKey: string): boolean {
  try {
    writeFileSync(usedPathOf(side, id), JSON.stringify(publicKey), { flag: 'wx', mode: 0o600, flush: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Returns how many there still are. */
function removeOld(side: InviteFolder, nowMs: number): number {
  const ids = readdirSync(side.invitesPath).flatMap((name) => INVITE.exec(name)?.[1] ?? []);
  const old = ids.filter((id) => {
    const parsed = inviteSchema.safeParse(readJsonFile(pathOf(side, id)));
    return !parsed.success || parsed.data.expiresAtMs + KEPT_MS < nowMs;
  });
  for (const id of old) for (const path of [pathOf(side, id), usedPathOf(side, id)]) rmSync(path, { force: true });
  return ids.length - old.length;
}

function pathOf(side: InviteFolder, id: string): string {
  return join(side.invitesPath, `${id}.json`);
}

function usedPathOf(side: InviteFolder, id: string): string {
  return join(side.invitesPath, `${id}.used`);
}
