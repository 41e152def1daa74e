/**
 * A node seeds itself afresh from a peer's snapshot and keeps what only it has: its unsent writes are written again on
 * the snapshot, and the tables that are its own go along. All of it happens to a file that nobody uses yet, in one
 * transaction; until that file takes its place, the one that the node had is whole.
 */
import type { Database } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import type { Engine } from './engine.js';
import { judgeAllReplaced } from './judge-replaced.js';
import { leftRows } from './left-behind.js';
import { FORMER, findLocalTables, takeLocalTables } from './local-tables.js';
import { NodeState } from './node-state.js';
import type { OperationRecord } from './operation-record.js';
import { OperatorWrites } from './operator-writes.js';
import { SeedKnowledge } from './seed-knowledge.js';
import { prepareSnapshot } from './snapshot.js';
import { rejoinHint } from './staleness.js';
import { upgradeFormat } from './upgrade-format.js';
import { WriteAgain, type WrittenAgain } from './write-again.js';

export interface RejoinOptions {
  readonly nodeId: string;
  /** The sponsor's name. */
  readonly peer: string;
  /** The path of the file that the node has: a connection to the seed reads from it too. */
  readonly formerPath: string;
  readonly operation: Omit<OperationRecord, 'node' | 'detail' | 'result'>;
}

export interface RejoinOutcome extends WrittenAgain {
  /** Tables of this node's own that have come along. */
  readonly localTables: readonly string[];
  /** Those with rows that have not, since the seed has no such table: the file that is put aside has them. */
  readonly tablesLeftBehind: readonly string[];
  /** Each had let go of what the other lacked: rows were compared one by one. */
  readonly compared: boolean;
}

/**
 * Makes the snapshot the node's next file. Throws 'stale' when it is the peer that lacks what this node no longer keeps,
 * and what prepareSnapshot throws. All of the node's log must be folded.
 */
export function rejoinOn(seed: Database, engine: Engine, options: RejoinOptions): RejoinOutcome {
  // What may have been written unseen is nobody's to judge any more.
  engine.writeTransaction(() => {
    judgeAllReplaced(engine);
    engine.foldToEnd();
    // Deletions that triggers have not seen are this process's writes, found while the file is being read.
    engine.state.ensureSession();
  });
  upgradeFormat(seed, 'the snapshot');
  const { state, log, clock } = engine;
  const node = state.get('node');
  const nowMs = clock.nowMs();
  const knowledge = new SeedKnowledge(seed, engine);
  if (knowledge.isFileAhead) throw peerBehind(options.peer, node);
  prepareSnapshot(seed, { node, nodeId: options.nodeId, nowMs, afterHlc: log.last() });
  seed.prepare(`ATTACH ? AS ${FORMER}`).run(options.formerPath);
  try {
    return OperatorWrites.transaction(seed, nowMs, (writes) => {
      const local = findLocalTables(seed);
      takeLocalTables(seed, local.inBoth);
      const again = new WriteAgain(writes, new NodeState(seed, engine.options.random), knowledge, nowMs);
      const written = again.takeAll(() => leftRows(engine, knowledge));
      const tables = { localTables: local.inBoth, tablesLeftBehind: local.onlyThere };
      const outcome = { ...written, ...tables, compared: knowledge.isSeedBehind };
      writes.recordOperation({
        ...options.operation,
        node,
        detail: { peer: options.peer, ...outcome },
        result: 'done',
      });
      return outcome;
    });
  } finally {
    seed.exec(`DETACH ${FORMER}`);
  }
}

/** The one that was asked for a seed is behind the one that asks. */
export function peerBehind(peer: string, node: string): SqlsyncError {
  return new SqlsyncError(
    'stale',
    `${peer} lacks changes that ${node} no longer keeps: it is ${peer} that has to rejoin`,
    {
      hint: rejoinHint(peer),
    },
  );
}
