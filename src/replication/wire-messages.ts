/**
 * The messages of an exchange that are not rows: JSON, validated strictly, since a peer may send anything.
 * docs/protocol.md tells how they follow each other.
 */
import { z } from 'zod';
import { isSessionName } from './version-vector.js';

/** The wire version this code speaks, and the oldest it still does: always the one before, so that nodes can be upgraded one by one. */
export const WIRE_VERSION = 2;
export const WIRE_VERSION_MIN = 1;

/** Optional abilities; both sides use what both have. */
export const CAPABILITIES: readonly string[] = ['gzip'];

/** Bounds on what a message may hold. */
const VECTOR_ENTRIES_MAX = 100_000;
const MEMBERS_MAX = 10_000;
/** More are not told: an operator has enough to do with these. */
export const TABLES_BEHIND_MAX = 100;
const TABLES_RENAMED_MAX = 10_000;

const hlc = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const nodeName = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}$/);
const session = z.string().refine(isSessionName, 'not a session name');
const tableName = z.string().max(1_000_000);
const hex = (length: number) => z.string().regex(new RegExp(`^[0-9a-f]{${length}}$`));

const vector = z
  .record(session, hlc)
  .refine((entries) => Object.keys(entries).length <= VECTOR_ENTRIES_MAX, 'too many sessions');

const acknowledgement = z.strictObject({
  vector,
  horizon: hlc,
  hold: hlc.nullable(),
  folded: hlc,
  /** When the member said so, by its own clock: Unix milliseconds. */
  atMs: count,
});
/** By node id. */
const acknowledged = z
  .record(hex(32), acknowledgement)
  .refine((members) => Object.keys(members).length <= MEMBERS_MAX, 'too many members');
const cursors = z
  .record(session, count)
  .refine((entries) => Object.keys(entries).length <= VECTOR_ENTRIES_MAX, 'too many sessions');

/** What a node has, as far as it decides whether another is stale beside it. */
export const standingSchema = z.strictObject({ vector, horizon: hlc, dropped: hlc });

/** What a node says of itself at the start of every exchange. */
export const helloSchema = z.strictObject({
  /** The highest that it speaks; at the head of a stream of changes the one that the stream is written in. */
  wireVersion: z.number().int(),
  wireVersionMin: z.number().int(),
  capabilities: z.array(z.string().max(64)).max(64),
  /** The database's name in the configuration: the same on every node. */
  database: z.string().min(1).max(128),
  dataset: hex(32),
  node: nodeName,
  nodeId: hex(32),
  /** The session whose arrival order this node's cursors count in; null while it has none. */
  session: session.nullable(),
  encoding: z.enum(['UTF-8', 'UTF-16le', 'UTF-16be']),
  schemaHash: hex(64),
  rulesHash: hex(64),
  /** The change of the rules that is under way at this node; null: none. Meanwhile it joins nothing. */
  ruleChange: hex(32).nullable(),
  clockMs: count,
  vector,
  /** Its last folded log entry: whatever it writes from now on is later. */
  folded: hlc,
  horizon: hlc,
  /** The highest entry that has left this node's vector: a peer whose horizon is below it is stale. */
  dropped: hlc,
  hold: hlc.nullable(),
  /** Tables of which this node keeps rows aside that it cannot hold before the application has migrated its file. */
  behind: z.array(tableName).max(TABLES_BEHIND_MAX),
  /** Tables of which rows are not in place here: those, and tables with changes in quarantine. */
  aside: z.array(tableName).max(TABLES_BEHIND_MAX),
  /** Names that no table bears here any more → those that their tables have now. */
  renamed: z
    .record(tableName, tableName)
    .refine((names) => Object.keys(names).length <= TABLES_RENAMED_MAX, 'too many tables'),
  /**
   * Half of a catch-up is applied: this node ships nothing and claims nothing until it is whole. `applying`: it has all of
   * it, and takes nothing more now; `waiting`: it has lost the rest, which peers must bring again.
   */
  catchingUp: z.enum(['applying', 'waiting']).nullable(),
  /** How far it has read in the other's arrival order, by the other's session. */
  cursors,
  /** What it has heard of the other members. */
  acknowledged,
});
export type Hello = z.infer<typeof helloSchema>;

/** What closes a stream: all up to `vector` that the other lacked has been sent. */
export const endMarkerSchema = z.strictObject({
  clockMs: count,
  vector,
  folded: hlc,
  horizon: hlc,
  dropped: hlc,
  hold: hlc.nullable(),
  /** The sender's session and the next cursor in its arrival order. */
  session: session.nullable(),
  cursor: count,
  rows: count,
  acknowledged,
});
export type EndMarker = z.infer<typeof endMarkerSchema>;
export type Acknowledgement = z.infer<typeof acknowledgement>;

export { nodeName as nodeNameSchema };

/** Names a table of the stream: rows refer to it by its place among the definitions. */
export const tableDefinitionSchema = z.strictObject({
  name: z.string().min(1).max(1_000_000),
  columns: z.array(z.string().max(1_000_000)).min(1).max(32_767),
  /** A letter a column: its affinity (see AFFINITY_LETTERS). */
  affinities: z.string().regex(/^[BTNIR]{1,32767}$/),
  key: z.array(z.string().max(1_000_000)).min(1).max(32_767),
  /** Of each key column: what two keys are compared by. */
  collations: z.array(z.string().max(1_000_000)).min(1).max(32_767),
  /** Of rows that the sender has kept aside since: of what it had settled by then, and no more, they are known to know. */
  horizon: hlc.optional(),
});
export type TableDefinition = z.infer<typeof tableDefinitionSchema>;
