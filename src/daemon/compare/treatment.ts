/**
 * What is done about rows that differ: they are told, or written again by the node that is right, after which they are
 * equal as soon as that write has crossed. Why the one that is right writes them, and not the other: docs/decisions,
 * "A node repairs by writing its own rows again".
 */
import type { ComparedTable } from '../../replication/compare-messages.js';
import { packValues } from '../../replication/compared-values.js';
import { canBeKept, type OtherNode } from '../../replication/row-repair.js';
import type { Hello } from '../../replication/wire-messages.js';
import { ask, type CompareChannel } from './compare-channel.js';
import type { ComparisonAnswers } from './comparison-answers.js';
import type { DifferingRow } from './judge-rows.js';

export interface Treated {
  /** Written again, by one side or the other. */
  readonly written: readonly DifferingRow[];
  /** They differ on. */
  readonly left: readonly DifferingRow[];
}

/** `hello`: what the other node had when the rows were judged. */
export type Treatment = (table: ComparedTable, rows: readonly DifferingRow[], hello: Hello) => Promise<Treated>;

export interface TreatmentSides {
  readonly own: ComparisonAnswers;
  readonly channel: CompareChannel;
}

/** Nothing is written. */
export const onlyTell: Treatment = async (_table, rows) => ({ written: [], left: rows });

/** This node's rows are right. What cannot be kept of the other's stays. */
export function useHere({ own }: TreatmentSides): Treatment {
  return async (table, rows, hello) => {
    const written = rows.filter(canBeKept);
    if (written.length > 0) await own.overrule(table, written.map(toRewrite), otherNode(hello), 'repair');
    return { written, left: rows.filter((row) => !canBeKept(row)) };
  };
}

/** The other node's rows are right: it writes them again, when what they replace is kept here. */
export function useThere({ own, channel }: TreatmentSides): Treatment {
  return async (table, rows, hello) => {
    await own.keepBeforeYielding(table, rows.map(toRewrite), otherNode(hello));
    await askToRewrite(channel, table, rows);
    return { written: rows, left: [] };
  };
}

/**
 * Rows of tables of which writes here went unrecorded: what is found to differ are those writes. What they replace of
 * another node's that is not everywhere yet is kept in a record. Where the other node has missed some too, what is
 * present beats what is absent, and of two different rows the other's is kept in a record. What a read-only node has
 * written for itself hides nothing.
 */
export function closeGap(
  { own, channel }: TreatmentSides,
  gap: { readonly here: readonly string[]; readonly there: readonly string[] },
): Treatment {
  return async (table, rows, hello) => {
    if (!gap.here.includes(table.name)) return { written: [], left: rows };
    const missed = rows.filter(({ keptBy }) => keptBy === null);
    const kept = rows.filter(({ keptBy }) => keptBy !== null);
    if (!gap.there.includes(table.name)) {
      // What a table that is rebuilt was copied from may be older than what others have written since.
      const [recent, old] = [missed.filter(isKeptInRecord), missed.filter((row) => !isKeptInRecord(row))];
      if (recent.length > 0) await own.overrule(table, recent.map(toRewrite), otherNode(hello), 'own');
      if (old.length > 0) await own.rewrite(table, old.map(toRewrite));
      return { written: missed, left: kept };
    }
    const theirs = missed.filter(({ here }) => here === null);
    const both = missed.filter((row) => row.here !== null && canBeKept(row));
    if (both.length > 0) await own.overrule(table, both.map(toRewrite), otherNode(hello), 'own');
    if (theirs.length > 0) await askToRewrite(channel, table, theirs);
    const left = missed.filter((row) => row.here !== null && !canBeKept(row));
    return { written: [...both, ...theirs], left: [...left, ...kept] };
  };
}

/**
 * On a read-only node, whose writes nobody takes: what has gone unrecorded is recorded as a write of its own, and the
 * nodes differ on.
 */
export function recordOnly({ own }: TreatmentSides, gap: readonly string[]): Treatment {
  return async (table, rows) => {
    const missed = gap.includes(table.name) ? rows.filter(({ keptBy }) => keptBy === null) : [];
    if (missed.length > 0) await own.rewrite(table, missed.map(toRewrite));
    return { written: [], left: rows };
  };
}

function isKeptInRecord(row: DifferingRow): boolean {
  return row.isRecent && canBeKept(row);
}

async function askToRewrite(
  channel: CompareChannel,
  table: ComparedTable,
  rows: readonly DifferingRow[],
): Promise<void> {
  const packed = rows.map(toRewrite).map(({ key, columns, anew }) => ({ key: packValues(key), columns, anew }));
  await ask(channel, { kind: 'rewrite', table, rows: packed });
}

function toRewrite({ key, columns, there, keptBy }: DifferingRow) {
  return { key, columns: [...columns], there, anew: keptBy !== null };
}

function otherNode({ session, vector }: Hello): OtherNode {
  return session === null ? null : { session, hlc: vector[session] ?? 0 };
}
