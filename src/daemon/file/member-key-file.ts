/**
 * The key by which a node is known as a member: beside the file and for its owner only, so that a copy of the database,
 * or its backup, opens no door. Lost, it is replaced by a new one where the node knows the shared secret too; else the
 * node has to be invited again.
 */
import { z } from 'zod';
import { keyIdOf, type MemberKey, PUBLIC_KEY_PATTERN } from '../../member-key.js';
import { readJsonFile, type SideDirectory, writeJsonFile } from './side-directory.js';

type KeyFile = Pick<SideDirectory, 'memberKeyPath'>;

const keySchema = z.object({
  node: z.string(),
  publicKey: z.string().regex(PUBLIC_KEY_PATTERN),
  privateKey: z.string().regex(PUBLIC_KEY_PATTERN),
});

/** Null: there is none, or it is that of a node of another name, as in a folder that was copied. */
export function readMemberKey(side: KeyFile, node: string): MemberKey | null {
  const parsed = keySchema.safeParse(readJsonFile(side.memberKeyPath));
  if (!parsed.success || parsed.data.node !== node) return null;
  return { ...parsed.data, id: keyIdOf(parsed.data.publicKey) };
}

export function writeMemberKey(side: KeyFile, { node, publicKey, privateKey }: MemberKey): void {
  writeJsonFile(side.memberKeyPath, { node, publicKey, privateKey });
}
