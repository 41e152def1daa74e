/**
 * Makes this node and a peer agree where they differ: the rows of one side are written again by that side, so that every
 * member takes them. What they replace is kept in conflict records, where an operator can look at it and undo it.
 */
import type { Config } from '../config.js';
import { pickDatabase } from '../config.js';
import { ERROR_CODES, EXIT } from '../errors.js';
import { OperatorWrites } from '../replication/operator-writes.js';
import type { Machine } from './machine.js';
import { compareNodes, type VerifyDeps } from './verify-nodes.js';
import type { CompareMode, RepairReport, RepairSide, VerifiedPeer } from './verify-report.js';

export interface RepairRequest {
  readonly database: string | undefined;
  readonly peer: string;
  /** Undefined: all. */
  readonly table: string | undefined;
  readonly use: RepairSide;
  readonly dryRun: boolean;
  /** As it was typed. */
  readonly command: string;
}

export interface RepairDeps extends VerifyDeps, Pick<Machine, 'random' | 'now' | 'operator'> {
  /** Returns if the operator agrees, else throws. */
  readonly confirm: (question: string) => Promise<void>;
}

/** Throws what keeps the two from being compared, and `interrupted` or `usage` when the operator does not agree. */
export async function repairPeer(config: Config, request: RepairRequest, deps: RepairDeps): Promise<RepairReport> {
  const { use, dryRun, peer } = request;
  const found = await compare(config, request, 'look', deps);
  if (found.equal !== false || dryRun) return { ...found, use, dryRun };
  const [right, wrong] = use === 'here' ? [config.node, peer] : [peer, config.node];
  const tables = found.tables.filter(({ equal }) => equal === false).map(({ name }) => name);
  await deps.confirm(
    `${found.differencesTotal} rows of ${tables.join(', ')} differ: shall they be as ${right} has them, on every member, ` +
      `and what ${wrong} has go into conflict records?`,
  );
  const repaired = await compare(config, request, use === 'here' ? 'use-here' : 'use-there', deps);
  recordRepair(config, request, repaired, deps);
  return { ...repaired, use, dryRun };
}

async function compare(
  config: Config,
  { database, peer, table }: RepairRequest,
  mode: CompareMode,
  deps: RepairDeps,
): Promise<VerifiedPeer> {
  const [compared] = await compareNodes(config, { database, peers: [peer], table }, mode, deps);
  return compared as VerifiedPeer;
}

function recordRepair(
  config: Config,
  { database, peer, table, use, command }: RepairRequest,
  { equal, rowsWritten, error }: VerifiedPeer,
  { files, now, random, operator }: RepairDeps,
): void {
  files.withConnection(pickDatabase(config, database).path, (db) =>
    OperatorWrites.transaction(db, now().getTime(), (writes) => {
      const detail = { peer, table: table ?? null, use, rowsWritten, equal };
      const result = error?.code ?? 'done';
      writes.recordOperation({ id: random.hex(16), node: config.node, operator, command, detail, result });
    }),
  );
}

/** The exit code of a repair, and what is to be said beside the report; null: nothing. */
export function repairEnding({ equal, reason, error, dryRun }: RepairReport): {
  readonly exitCode: number;
  readonly note: string | null;
} {
  if (error !== null) return { exitCode: ERROR_CODES[error.code], note: error.hint };
  if (equal === null) return { exitCode: EXIT.tryAgain, note: `not known: ${reason}\n  try again: sqlsync verify` };
  return { exitCode: equal || dryRun ? EXIT.done : EXIT.no, note: null };
}
