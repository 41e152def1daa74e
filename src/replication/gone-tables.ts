/**
 * Held rows of tables that nobody has any more. A node that has dropped a table says so to all when rows of it are held
 * somewhere; the others answer what has become of it with them (absence-table.ts). When all who write have said that they
 * do not have it, and all members are known to have heard all of that, the rows go: their authors' own applications have
 * dropped them with the table, and whoever makes a table of that name from then on begins a new one.
 *
 * Nothing goes while a member has not answered, has the table, or has it under another name; nor where nobody has ever
 * had it: then the application's migration is still to come.
 */
import {
  ABSENCE_TABLE,
  type Absence,
  absenceId,
  absencesByTable,
  type Fate,
  isGone,
  putAbsence,
  readAbsences,
} from './absence-table.js';
import type { Engine } from './engine.js';
import type { GivenUpRow, HeldTable } from './held-rows.js';
import { toJsonRow } from './json-values.js';
import type { Member } from './member-table.js';
import type { Members } from './members.js';
import { belonging, writersAmong } from './membership.js';
import { OP } from './metadata-schema.js';
import { insertOperation, OPERATION_TABLE } from './operation-record.js';
import { type RowVersion, vectorOf } from './row-version.js';
import type { TableHistory } from './table-history.js';
import { nodeOf } from './version-vector.js';

/** Rows that go in one transaction, and what the record of it keeps of them, as JSON. */
const ROWS_MAX = 1000;
const KEPT_CHARS_MAX = 256 * 1024;

/** A table of which rows are held, for an operator. */
export interface HeldTableStatus extends HeldTable {
  /** What has become of it on this node. */
  readonly fate: Fate;
  /** The name it has here now; null: it was not renamed. */
  readonly renamedTo: string | null;
  /** Who has said that it has dropped it, and which other writers have not said yet that they do not have it. */
  readonly droppedBy: readonly string[];
  readonly waitsFor: readonly string[];
}

interface GonePlan {
  readonly declare: readonly { readonly table: string; readonly fate: Fate }[];
  /** Tables whose held rows may go. */
  readonly giveUp: readonly { readonly table: string; readonly said: ReadonlyMap<string, Absence> }[];
}

const NOTHING: GonePlan = { declare: [], giveUp: [] };

export class GoneTables {
  /** Tables of which a peer keeps rows, by its node id. */
  private readonly heard = new Map<string, readonly string[]>();

  constructor(
    private readonly engine: Engine,
    private readonly members: Members,
  ) {}

  /** A peer keeps rows of these tables. */
  hear(nodeId: string, behind: readonly string[]): void {
    if (behind.length > 0) this.heard.set(nodeId, behind);
    else this.heard.delete(nodeId);
  }

  get isDue(): boolean {
    const { declare, giveUp } = this.plan();
    return declare.length + giveUp.length > 0;
  }

  /** Does what is due, inside the caller's transaction. Says whether more is left. */
  step(): boolean {
    const { engine } = this;
    const { declare, giveUp } = this.plan();
    for (const { table, fate } of declare) this.declare(table, fate);
    const mayBeMore = giveUp.map(({ table, said }) => this.giveUp(table, said)).some((isFull) => isFull);
    engine.foldToEnd();
    return mayBeMore;
  }

  private declare(table: string, fate: Fate): void {
    const { options, state, log, clock } = this.engine;
    const node = state.get('node');
    putAbsence(options.writer, { node, table, fate, hlc: log.last() }, clock.nowMs());
    this.engine.logOwnWrite(ABSENCE_TABLE.id, OP.insert, [absenceId(node, table)], 0);
    this.engine.fates.lookAgain();
  }

  private plan(): GonePlan {
    const { engine } = this;
    const { has } = engine.fates.history;
    const absences = readAbsences(engine.options.writer);
    const held = [...engine.held.waitingTables()].filter((name) => !has(name));
    if (absences.length + held.length + this.heard.size === 0) return NOTHING;
    const all = this.members.all();
    const writers = writersAmong(all);
    const byTable = absencesByTable(absences, writers);
    const gone = [...byTable].filter(([, said]) => isGone(said, writers));
    const others = belonging(all).filter(({ nodeId }) => nodeId !== engine.state.get('node_id'));
    return {
      declare: this.isHeard(writers) ? this.toDeclare(held, byTable) : [],
      giveUp: gone
        .filter(([table, said]) => held.includes(table) && this.isKnownToAll(table, said, others))
        .map(([table, said]) => ({ table, said })),
    };
  }

  /** Does anybody take what this node says? */
  private isHeard(writers: ReadonlySet<string>): boolean {
    return writers.has(this.engine.state.get('node')) && !this.members.isReader;
  }

  private toDeclare(
    held: readonly string[],
    byTable: ReadonlyMap<string, ReadonlyMap<string, Absence>>,
  ): GonePlan['declare'] {
    const { fates, state } = this.engine;
    const { has } = fates.history;
    const node = state.get('node');
    const asked = [...byTable].filter(([, said]) => [...said.values()].some(({ fate }) => fate === 'dropped'));
    const candidates = new Set([...held, ...[...this.heard.values()].flat(), ...asked.map(([table]) => table)]);
    return [...candidates].flatMap((table) => {
      const own = byTable.get(table)?.get(node);
      if (has(table) || (own !== undefined && own.fate !== 'present')) return [];
      const fate = fateOf(table, own, fates.history);
      // One that has never been here is to come with the next migration, for all that is known here.
      if (fate !== 'dropped' && !asked.some(([name]) => name === table)) return [];
      return [{ table, fate }];
    });
  }

  /** Has every member acknowledged what all have said? */
  private isKnownToAll(
    table: string,
    said: ReadonlyMap<string, Absence>,
    others: readonly { readonly nodeId: string }[],
  ): boolean {
    const { tables, acknowledgements } = this.engine;
    const metadata = tables.withId(ABSENCE_TABLE.id)?.metadata;
    return [...said.keys()].every((node) => {
      const stamp = metadata?.get([absenceId(node, table)])?.stamp;
      // What is settled everybody has.
      return stamp === undefined || others.every(({ nodeId }) => acknowledgements.has(nodeId, stamp));
    });
  }

  /** Gives up a bounded number of rows, and enters that among the operations. Says whether there may be more. */
  private giveUp(table: string, said: ReadonlyMap<string, Absence>): boolean {
    const { options, held, state, clock } = this.engine;
    const rows = held.giveUp(table, ROWS_MAX, ({ version }) => isSaidAfter(version, said));
    if (rows.length === 0) return false;
    const id = options.random.hex(16);
    const node = state.get('node');
    const detail = { table, rows: rows.length, ...summaryOf(rows), ...imagesOf(rows) };
    const record = { id, node, operator: 'sqlsync', command: 'give up rows of a table that is gone', detail };
    insertOperation(options.writer, { ...record, result: 'done' }, clock.nowMs());
    this.engine.logOwnWrite(OPERATION_TABLE.id, OP.insert, [id], 0);
    return rows.length === ROWS_MAX;
  }
}

/** What is held, and what has been said of it. */
export function heldTables({ held, fates, options, state }: Engine, members: readonly Member[]): HeldTableStatus[] {
  const { tables } = held.summary();
  if (tables.length === 0) return [];
  const writers = writersAmong(members);
  const byTable = absencesByTable(readAbsences(options.writer), writers);
  const { has, renamed } = fates.history;
  return tables.map((table): HeldTableStatus => {
    const { name } = table;
    const said = byTable.get(name) ?? new Map<string, Absence>();
    return {
      ...table,
      fate: has(name) ? 'present' : fateOf(name, said.get(state.get('node')), fates.history),
      renamedTo: renamed.get(name) ?? null,
      droppedBy: [...said.values()].filter(({ fate }) => fate === 'dropped').map(({ node }) => node),
      waitsFor: [...writers].filter((node) => !isAbsent(said.get(node)) && node !== state.get('node')),
    };
  });
}

/** What has become here of a table that is not there. */
function fateOf(table: string, own: Absence | undefined, { dropped, renamed }: TableHistory): Fate {
  if (dropped.has(table)) return 'dropped';
  if (renamed.has(table)) return 'renamed';
  // It was let go of before it came back, or has been there for a moment only.
  return own === undefined || own.fate === 'never' ? 'never' : 'dropped';
}

function isAbsent(said: Absence | undefined): boolean {
  return said?.fate === 'never' || said?.fate === 'dropped';
}

/** Was everything that went into the row written before its author said that the table is gone there? */
function isSaidAfter(version: RowVersion, said: ReadonlyMap<string, Absence>): boolean {
  return [...vectorOf(version)].every(([session, hlc]) => hlc <= (said.get(nodeOf(session))?.hlc ?? hlc));
}

function summaryOf(rows: readonly GivenUpRow[]): { readonly nodes: string[]; readonly sinceMs: number } {
  const nodes = [...new Set(rows.map(({ row }) => nodeOf(row.version.stamp.session)))].sort();
  return { nodes, sinceMs: rows.reduce((first, { sinceMs }) => Math.min(first, sinceMs), Number.MAX_SAFE_INTEGER) };
}

/** As many as the record may hold; a deleted row has none. */
function imagesOf(rows: readonly GivenUpRow[]): { readonly discarded: unknown[]; readonly truncated: boolean } {
  let room = KEPT_CHARS_MAX;
  const discarded: unknown[] = [];
  for (const { definition, key, row } of rows) {
    const image = row.image === null ? null : toJsonRow(definition.columns, row.image);
    const one = { key: toJsonRow(definition.key, key), node: nodeOf(row.version.stamp.session), row: image };
    room -= JSON.stringify(one).length;
    if (room < 0) return { discarded, truncated: true };
    discarded.push(one);
  }
  return { discarded, truncated: false };
}
