/**
 * An operator's decision about one conflict, inside an operator's transaction: a new write to the row, which covers both
 * sides since the row's metadata has joined them, and the resolution that closes the record on every node. Undoing gives
 * the rows back what the latest resolution took from them; undoing what a strategy has settled is to take the loser.
 */
import type { Statement } from 'better-sqlite3';
import type { ErrorBody, ErrorCode } from '../errors.js';
import { ConflictInbox } from './conflict-inbox.js';
import {
  type ChosenSide,
  expectedAfter,
  expectedRows,
  type WantedRow,
  wantedBefore,
  wantedRows,
  wantedValues,
} from './conflict-outcome.js';
import { RESOLUTION_TABLE, type ResolutionChoice } from './conflict-state.js';
import { type OperatorRows, OperatorTables } from './operator-rows.js';
import type { OperatorWrites } from './operator-writes.js';
import { type Placement, placeRows, type RowChange } from './place-rows.js';
import type { JsonRow, RecordedConflict, RecordedResolution } from './recorded-conflict.js';

/** `use`: winner, loser, or the node that wrote the side. `set`: values of the operator's own. */
export type Decision = { readonly use: string } | { readonly set: JsonRow } | 'undo';

/** What became of one conflict. `skipped`: somebody has written its rows since. */
export interface ResolutionOutcome {
  readonly id: string;
  /** What it is about; null: there is no such record. */
  readonly conflict: Pick<RecordedConflict, 'table' | 'key' | 'kind'> | null;
  readonly status: 'resolved' | 'skipped' | 'failed';
  /** Null unless it is resolved. */
  readonly choice: ResolutionChoice | null;
  readonly changes: readonly RowChange[];
  readonly error: ErrorBody | null;
}

export interface ResolverOptions {
  readonly node: string;
  /** The system's name of the user. */
  readonly operator: string;
  readonly nowMs: number;
  /** A new id: hex, random. */
  readonly newId: () => string;
  /** Write over what has been written since. */
  readonly force: boolean;
  /** Skip what somebody has decided by now. */
  readonly leaveDecided: boolean;
}

interface Plan {
  readonly choice: ResolutionChoice;
  readonly place: () => Placement;
}

export class ConflictResolver {
  private readonly inbox: ConflictInbox;
  private readonly tables: OperatorTables;
  private readonly insert: Statement;

  constructor(
    private readonly writes: OperatorWrites,
    private readonly options: ResolverOptions,
  ) {
    this.inbox = new ConflictInbox(writes.db);
    this.tables = new OperatorTables(writes.db, writes.tables);
    this.insert = writes.db.prepare(
      `INSERT INTO ${RESOLUTION_TABLE.name}(id, conflict, choice, before, after, node, operator, at) VALUES(?, ?, ?, ?, ?, ?, ?, ?)`,
    );
  }

  resolve(id: string, decision: Decision): ResolutionOutcome {
    const conflict = this.inbox.get(id);
    if (conflict === null) {
      const hint = 'Type `sqlsync conflicts` for those that there are.';
      return failed(id, null, { code: 'conflict-unknown', message: `there is no conflict ${id}`, hint });
    }
    if (this.options.leaveDecided && conflict.state === 'resolved' && conflict.latest !== null) {
      const { operator, node, choice } = conflict.latest;
      const message = `${operator} on ${node} has decided it meanwhile: ${choice}`;
      const hint = `\`sqlsync conflicts show ${id}\` tells; name its id to decide otherwise.`;
      return failed(id, conflict, { code: 'row-changed', message, hint });
    }
    const resolutions = conflict.latest === null ? [] : this.inbox.resolutions(id);
    const plan =
      decision === 'undo' ? this.planUndo(conflict, resolutions) : this.plan(conflict, resolutions, decision);
    if ('code' in plan) return failed(id, conflict, plan);
    const placed = plan.place();
    if ('refusal' in placed) return failed(id, conflict, placed.refusal);
    this.close(conflict, plan.choice, placed.changes, resolutions[0]?.atMs ?? 0);
    const { choice } = plan;
    return { id, conflict: about(conflict), status: 'resolved', choice, changes: placed.changes, error: null };
  }

  private plan(
    conflict: RecordedConflict,
    resolutions: readonly RecordedResolution[],
    decision: Exclude<Decision, 'undo'>,
  ): Plan | ErrorBody {
    const table = this.tables.named(conflict.table);
    if (table === null) return refusal(`table ${conflict.table} does not replicate here (any more)`);
    const names = this.tables.namesFor(table);
    const expected = () => expectedRows(conflict, resolutions.toReversed(), names);
    const place = (wanted: WantedRow[]) => () =>
      placeRows(this.tables, this.writes, wanted, this.options.force ? null : expected());
    if ('set' in decision) {
      return refusalToSet(table, decision.set) ?? { choice: 'set', place: place(wantedValues(conflict, decision.set)) };
    }
    const side = sideOf(conflict, decision.use);
    if (typeof side === 'object') return side;
    const rehomed = side === 'loser' ? refusalToDouble(conflict) : null;
    if (rehomed !== null) return rehomed;
    const isNamed = decision.use !== side;
    return { choice: side, place: place(wantedRows(conflict, side, isNamed, names)) };
  }

  private planUndo(conflict: RecordedConflict, resolutions: readonly RecordedResolution[]): Plan | ErrorBody {
    const [latest] = resolutions;
    if (latest !== undefined && conflict.state === 'resolved') {
      const expected = this.options.force ? null : expectedAfter(latest);
      return { choice: 'undo', place: () => placeRows(this.tables, this.writes, wantedBefore(latest), expected) };
    }
    if (conflict.state === 'auto') return this.plan(conflict, resolutions, { use: 'loser' });
    const hint = `\`sqlsync conflicts resolve ${conflict.id} --use loser\` takes the other side.`;
    return refusal(`nobody has decided conflict ${conflict.id} yet: there is nothing to undo`, hint);
  }

  /** Later than every resolution of the conflict that is known here, whatever this machine's clock says. */
  private close(
    { id }: RecordedConflict,
    choice: ResolutionChoice,
    changes: readonly RowChange[],
    latestAtMs: number,
  ): void {
    const { node, operator, nowMs, newId } = this.options;
    const resolution = newId();
    const states = (which: 'before' | 'after') =>
      JSON.stringify(changes.map((change) => ({ table: change.table, key: change.key, row: change[which] })));
    const at = BigInt(Math.max(nowMs, latestAtMs + 1));
    this.insert.run(resolution, id, choice, states('before'), states('after'), node, operator, at);
    this.writes.enterInsert(RESOLUTION_TABLE.id, [resolution]);
  }
}

function failed(id: string, conflict: RecordedConflict | null, error: ErrorBody): ResolutionOutcome {
  const isSkipped = error.code === 'row-changed';
  const hint = error.hint ?? `Look at it with \`sqlsync conflicts show ${id}\`; --force writes over what is there now.`;
  return {
    id,
    conflict: about(conflict),
    status: isSkipped ? 'skipped' : 'failed',
    choice: null,
    changes: [],
    error: isSkipped ? { ...error, hint } : error,
  };
}

/** There may be very many outcomes: they do not keep what their records hold. */
function about(conflict: RecordedConflict | null): ResolutionOutcome['conflict'] {
  if (conflict === null) return null;
  const { table, key, kind } = conflict;
  return { table, key, kind };
}

function refusal(message: string, hint: string | null = null, code: ErrorCode = 'resolution-refused'): ErrorBody {
  return { code, message, hint };
}

function sideOf({ id, winner, loser }: RecordedConflict, use: string): ChosenSide | ErrorBody {
  if (use === 'winner' || use === 'loser') return use;
  const sides = (['winner', 'loser'] as const).filter((side) => (side === 'winner' ? winner : loser).node === use);
  const [only] = sides;
  if (only !== undefined && sides.length === 1) return only;
  const hint = 'Say --use winner or --use loser.';
  if (sides.length === 2) return refusal(`${use} wrote both sides of conflict ${id}`, hint);
  const names = [winner, loser].map(({ node }) => node).filter((node) => node !== null);
  const known = names.length === 0 ? 'whose they are is not known any more' : `they are of ${names.join(' and ')}`;
  return refusal(`${use} wrote neither side of conflict ${id}: ${known}`, hint);
}

/** The losing row of a key collision may live on under another key: it would be there twice, and the winner gone. */
function refusalToDouble({ id, table, detail }: RecordedConflict): ErrorBody | null {
  if (detail?.rekeyedTo === undefined) return null;
  const message = `the row that lost conflict ${id} lives on in ${table} under the key ${detail.rekeyedTo}: both rows are there`;
  return refusal(message, '`--use winner` closes the conflict; change or delete either row in the application.');
}

/** Why these columns cannot be set; null: they can. */
function refusalToSet({ table, keyColumns }: OperatorRows, values: JsonRow): ErrorBody | null {
  for (const name of Object.keys(values)) {
    const column = table.schema.columns.find((candidate) => candidate.name === name);
    if (column === undefined) {
      const known = table.columns.map((candidate) => candidate.name).join(', ');
      return refusal(`${table.name} has no column ${name}`, `It has: ${known}`);
    }
    if (column.generated !== 'no') return refusal(`${table.name}.${name} is generated: it cannot be set`);
    if (keyColumns.includes(name)) return refusal(`${table.name}.${name} is part of the key: it cannot be set`);
  }
  return null;
}
