/**
 * What is known of a backup without unpacking it: a JSON file beside it. Its text is canonical and carries a checksum of
 * itself, so that no byte of it can change unseen.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { damagedBackup } from './store-errors.js';

const NO_MANIFEST = 'is damaged, or no manifest of a backup';

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
const text = z.string();

const contentsSchema = z.strictObject({
  kind: z.literal('sqlsync-backup'),
  manifestVersion: z.literal(1),
  /** The backup's file name. */
  file: text,
  database: text,
  node: text,
  nodeId: text,
  dataset: text,
  /** RFC 3339, UTC: when the state was that it holds. */
  at: text,
  /** Of the file as it is stored. */
  bytes: count,
  sha256: hash,
  /** Null: it is not encrypted. */
  encryption: z.literal('age').nullable(),
  /** Of the database that it unpacks to. */
  unpackedBytes: count,
  unpackedSha256: hash,
  /** Over the replicated tables: what two nodes must have alike. */
  schemaHash: hash,
  /** Rows by table: the application's own tables. */
  rows: z.record(text, count),
  rowsTotal: count,
  /** Session → HLC of which everything is in it. */
  vector: z.record(text, z.int()),
  /** Had a large catch-up only been applied in part? */
  catchingUp: z.boolean(),
  formatVersion: z.int(),
  sqlsyncVersion: text,
  sqliteVersion: text,
});

const manifestSchema = contentsSchema.extend({ checksum: hash });

export type ManifestContents = Readonly<z.output<typeof contentsSchema>>;

/** The manifest's text. */
export function renderManifest(contents: ManifestContents): string {
  const checksum = createHash('sha256').update(JSON.stringify(contents)).digest('hex');
  return `${JSON.stringify({ ...contents, checksum }, null, 2)}\n`;
}

/** Throws `backup-damaged` for a text that `renderManifest` has not written. */
export function parseManifest(written: string, path: string): ManifestContents {
  const parsed = manifestSchema.safeParse(jsonOrNull(written));
  if (!parsed.success) throw damagedBackup(path, NO_MANIFEST);
  const { checksum: _, ...contents } = parsed.data;
  if (renderManifest(contents) !== written) throw damagedBackup(path, NO_MANIFEST);
  return contents;
}

function jsonOrNull(written: string): unknown {
  try {
    return JSON.parse(written);
  } catch {
    return null;
  }
}
