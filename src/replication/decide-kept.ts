/**
 * What an operator decides about changes that wait in quarantine, on the node that keeps them: another try, or giving
 * them up. Each call is one transaction of the engine's.
 *
 * A version that is given up has been shipped on to others, and other nodes may have it in their tables. So it is not
 * just forgotten here: the row as it is on this node (or that there is none) is written anew by this node, as a write
 * that knew the version. By causality that replaces it on every node.
 */
import { SqlsyncError } from '../errors.js';
import { isCatchingUp } from './catch-up.js';
import type { Engine } from './engine.js';
import { type KeptChange, readKeptChange } from './kept-changes.js';
import { OP } from './metadata-schema.js';
import { insertOperation, OPERATION_TABLE, type OperationRecord } from './operation-record.js';
import type { QuarantinedRow } from './quarantine.js';
import { retryKept } from './retry-kept.js';

/**
 * `applied`: it is in its table. `refused`: it waits on, `error` says why. `discarded`: it has been given up. `gone`:
 * nothing was done, since no version of this id waits any more; it has gone in, or a newer one has taken its place.
 */
export type KeptOutcome = 'applied' | 'refused' | 'discarded' | 'gone';

export interface KeptDecision {
  readonly id: string;
  readonly outcome: KeptOutcome;
  /** SQLite's words; null: nothing was refused. */
  readonly error: string | null;
}

const gone = (id: string): KeptDecision => ({ id, outcome: 'gone', error: null });

/** Tries these again. */
export function retryKeptChanges(engine: Engine, ids: readonly string[]): KeptDecision[] {
  return decide(engine, () => {
    const rows = ids.flatMap((id) => engine.quarantine.withId(id) ?? []);
    engine.placeOwn((context) => retryKept(rows, context));
    engine.foldToEnd();
    return ids.map((id) => {
      const row = rows.find((tried) => tried.id === id);
      if (row === undefined) return refusedWithoutTable(engine, id);
      const kept = engine.quarantine.get(row.table, row.key);
      return kept === undefined ? { id, outcome: 'applied', error: null } : refused(id, kept.error);
    });
  });
}

const refused = (id: string, error: string): KeptDecision => ({ id, outcome: 'refused', error });

/** What has no table cannot be tried. */
function refusedWithoutTable({ options }: Engine, id: string): KeptDecision {
  const kept = readKeptChange(options.writer, id);
  return kept === undefined ? gone(id) : refused(id, `there is no table ${kept.table}`);
}

/** What the record of the operation keeps of a change. */
type GivenUp = Omit<KeptChange, 'sinceMs' | 'atMs'>;

function givenUp({ id, table, key, reason, error, node, row }: KeptChange): GivenUp {
  return { id, table, key, reason, error, node, row };
}

/** Gives these up, and keeps what they held in the record of the operation. */
export function discardKeptChanges(
  engine: Engine,
  ids: readonly string[],
  operation: Omit<OperationRecord, 'detail' | 'result'>,
): KeptDecision[] {
  return decide(engine, () => {
    const discarded: GivenUp[] = [];
    const decisions = ids.map((id): KeptDecision => {
      const change = readKeptChange(engine.options.writer, id);
      if (change === undefined) return gone(id);
      discarded.push(givenUp(change));
      const row = engine.quarantine.withId(id);
      if (row === undefined) engine.quarantine.deleteId(id);
      else overwrite(engine, row);
      return { id, outcome: 'discarded', error: null };
    });
    if (discarded.length > 0) {
      const record = { ...operation, detail: { discarded }, result: 'done' };
      insertOperation(engine.options.writer, record, engine.clock.nowMs());
      engine.logOwnWrite(OPERATION_TABLE.id, OP.insert, [record.id], 0);
    }
    engine.foldToEnd();
    return decisions;
  });
}

/** The row takes over all that the version knew, and is then written as it stands: the fold puts this node's stamp on it. */
function overwrite(engine: Engine, { table, key, row }: QuarantinedRow): void {
  const isHere = table.rows.exists(key);
  engine.quarantine.delete(table, key);
  table.metadata.put(key, row.version);
  engine.logOwnWrite(table.captured.id, isHere ? OP.update : OP.delete, key, 0);
}

/** Only at the log's end: what the application has written has been joined with the versions that wait. */
function decide(engine: Engine, work: () => KeptDecision[]): KeptDecision[] {
  return engine.writeTransaction(() => {
    if (isCatchingUp(engine.state)) throw catchingUp();
    engine.foldToEnd();
    return work();
  });
}

function catchingUp(): SqlsyncError {
  return new SqlsyncError(
    'catching-up',
    'a large catch-up is being applied: what waits may go in with the rest of it',
    {
      hint: 'try again when `sqlsync status` says that it is whole',
    },
  );
}
