/** What a node that joins asks of its sponsor, and what the sponsor's stream says of the snapshot it carries. */
import { z } from 'zod';
import { nodeNameSchema, standingSchema } from '../../replication/wire-messages.js';

const id = z.string().regex(/^[0-9a-f]{32}$/);

export const snapshotRequestSchema = z.strictObject({
  wireVersion: z.number().int(),
  wireVersionMin: z.number().int(),
  /** The database's name in the sponsor's configuration; null: the only one there is. */
  database: z.string().min(1).max(128).nullable(),
  /** Who the newcomer will be. */
  node: nodeNameSchema,
  nodeId: id,
  access: z.enum(['read', 'write']),
  /** False: only to look at. The asker does not become a member. */
  joins: z.boolean(),
  /** Null: a newcomer. Else who it was before, and what it has. */
  rejoining: standingSchema.extend({ dataset: id, nodeId: id }).nullable(),
});
export type SnapshotRequest = z.infer<typeof snapshotRequestSchema>;

export const snapshotHeaderSchema = z.strictObject({
  /** Bytes of the file, as expected when the copy began: for progress. */
  bytes: z.number().int().min(0),
});
export type SnapshotHeader = z.infer<typeof snapshotHeaderSchema>;
