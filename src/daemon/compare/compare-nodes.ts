/**
 * Compares this node with another, table by table: candidates are found by hashes (find-candidates.ts), judged row by row
 * (judge-rows.ts), and told or treated (treatment.ts). Rows on which a write is on its way are judged again when both
 * sides have exchanged what they have, for so long; what is still not known then is told as not known.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { SqlsyncError } from '../../errors.js';
import type { DifferenceReport } from '../../operations/verify-report.js';
import { type ComparedTable, KEYS_MAX } from '../../replication/compare-messages.js';
import { toComparedJson } from '../../replication/compared-values.js';
import type { Hello } from '../../replication/wire-messages.js';
import type { CompareChannel } from './compare-channel.js';
import type { ComparisonAnswers } from './comparison-answers.js';
import { CandidateSearch, type Key } from './find-candidates.js';
import { type DifferingRow, judgeRows, whyNotComparable, whyNotTable } from './judge-rows.js';
import type { Treatment } from './treatment.js';

/** Rows that may wait for a second judgement: their keys are in memory. */
const UNSETTLED_ROWS_MAX = 100_000;
/** Differing rows of a table that are told, and what all that are told may take as JSON. */
const TOLD_ROWS_MAX = 100;
const TOLD_CHARS_MAX = 4 * 1024 * 1024;
/** Between two judgements of rows that were written in between. */
const PAUSE_MS = 100;

export interface CompareOptions {
  readonly own: ComparisonAnswers;
  readonly channel: CompareChannel;
  readonly tables: readonly ComparedTable[];
  /** What the other side said of itself. */
  readonly there: Hello;
  /** Has both sides exchange what they have. */
  readonly bringTogether: () => Promise<void>;
  readonly treat: Treatment;
  /** How long rows are judged again on which a write is on its way. */
  readonly waitMsMax: number;
  readonly onRows: (rows: number) => void;
  readonly signal: AbortSignal;
}

export interface ComparedTableResult {
  readonly table: ComparedTable;
  /** Rows looked at here. */
  rows: number;
  /** Rows that differ: how many, and the first of them. */
  differing: number;
  /** Among them those that a read-only node has written for itself. */
  kept: number;
  readonly told: DifferenceReport[];
  /** Rows that were written again. */
  written: number;
  /** Why not all of its rows could be judged; null: they were. */
  reason: string | null;
}

export interface Comparison {
  /** Null: not known, and `reason` says why. */
  readonly equal: boolean | null;
  readonly reason: string | null;
  readonly tables: readonly ComparedTableResult[];
  /** Were all tables compared to the end, but for those that say why not? */
  readonly isWhole: boolean;
  /** More rows were written again than are looked at a second time: whether they have crossed is not known. */
  readonly hasUnchecked: boolean;
}

export class NodeComparison {
  private results: ComparedTableResult[] = [];
  private unsettled = new Map<ComparedTableResult, Key[]>();
  private unsettledRows = 0;
  private hasUnchecked = false;
  private toldChars = 0;
  private reason: string | null = null;

  constructor(private readonly options: CompareOptions) {}

  /** Throws what keeps the nodes from being compared: the registry's errors of files and of exchanges. */
  async run(): Promise<Comparison> {
    const { own, tables } = this.options;
    this.results = tables.map(toResult);
    this.reason = whyNotComparable(await own.hello());
    if (this.reason === null) await this.options.bringTogether();
    await this.leaveOutAside();
    for (const result of this.results) if (this.isOpen(result)) await this.compareTable(result);
    if (this.reason === null) await this.judgeAgain();
    // Where no row differed, none has been judged: what has come meanwhile may have found no place.
    await this.leaveOutAside();
    return this.outcome();
  }

  /** Rows that were written again so far, by either side. */
  get rowsWritten(): number {
    return this.results.reduce((sum, { written }) => sum + written, 0);
  }

  private outcome(): Comparison {
    const { results: tables, hasUnchecked } = this;
    const reason = this.reason ?? reasonOf(tables);
    const differing = tables.some((result) => result.differing > 0);
    // A row that differs for good does so whatever has become of the others.
    return {
      equal: differing ? false : reason === null ? true : null,
      reason: differing ? null : reason,
      tables,
      isWhole: this.reason === null,
      hasUnchecked,
    };
  }

  private async compareTable(result: ComparedTableResult): Promise<void> {
    const { own, channel, onRows } = this.options;
    const search = new CandidateSearch(result.table, {
      own,
      channel,
      onRows: (rows) => {
        result.rows += rows;
        onRows(rows);
      },
    });
    const batch: Key[] = [];
    for await (const keys of search.find()) {
      this.options.signal.throwIfAborted();
      batch.push(...keys);
      while (batch.length >= KEYS_MAX && this.isOpen(result)) await this.judge(result, batch.splice(0, KEYS_MAX));
      if (!this.isOpen(result)) return;
    }
    if (batch.length > 0) await this.judge(result, batch);
  }

  private async judge(result: ComparedTableResult, keys: readonly Key[]): Promise<void> {
    const { own, channel, treat } = this.options;
    const judgement = await judgeRows(own, channel, result.table, keys);
    if ('reason' in judgement) {
      if (judgement.ofTable) this.leaveOut(result, judgement.reason);
      else this.reason = judgement.reason;
      return;
    }
    this.wait(result, judgement.unsettled);
    if (judgement.differing.length === 0) return;
    const { written, left } = await treat(result.table, judgement.differing, judgement.hello);
    result.written += written.length;
    result.differing += left.length;
    result.kept += left.filter(({ keptBy }) => keptBy !== null).length;
    for (const row of left) this.tell(result, row);
    const room = Math.max(0, UNSETTLED_ROWS_MAX - this.unsettledRows);
    if (written.length > room) this.hasUnchecked = true;
    this.wait(
      result,
      written.slice(0, room).map(({ key }) => key),
    );
  }

  /** Is there a point in judging rows of the table? */
  private isOpen(result: ComparedTableResult): boolean {
    return this.reason === null && result.reason === null;
  }

  private async leaveOutAside(): Promise<void> {
    const hello = await this.options.own.hello();
    for (const result of this.results) {
      const reason = whyNotTable(result.table.name, hello, this.options.there);
      if (reason !== null) this.leaveOut(result, reason);
    }
  }

  /** Its rows say nothing: none of them waits for another look. */
  private leaveOut(result: ComparedTableResult, reason: string): void {
    result.reason = reason;
    this.unsettledRows -= this.unsettled.get(result)?.length ?? 0;
    this.unsettled.delete(result);
  }

  private tell(result: ComparedTableResult, { key, here, there }: DifferingRow): void {
    if (result.told.length >= TOLD_ROWS_MAX || this.toldChars >= TOLD_CHARS_MAX) return;
    const { columns, key: keyColumns } = result.table;
    const names = keyColumns.map(({ column }) => column);
    const row = (image: DifferingRow['there']) => (image === null ? null : toComparedJson(columns, image));
    const difference = { key: toComparedJson(names, key), here: row(here), there: row(there) };
    this.toldChars += JSON.stringify(difference).length;
    result.told.push(difference);
  }

  private wait(result: ComparedTableResult, keys: readonly Key[]): void {
    this.unsettledRows += keys.length;
    if (this.unsettledRows > UNSETTLED_ROWS_MAX) {
      this.reason = `writes to more than ${UNSETTLED_ROWS_MAX} rows are on their way between the nodes`;
      return;
    }
    const waiting = this.unsettled.get(result) ?? [];
    waiting.push(...keys);
    this.unsettled.set(result, waiting);
  }

  private async judgeAgain(): Promise<void> {
    const untilMs = performance.now() + this.options.waitMsMax;
    while (this.unsettledRows > 0 && this.reason === null) {
      await this.options.bringTogether();
      const waiting = [...this.unsettled];
      this.unsettled = new Map();
      this.unsettledRows = 0;
      for (const [result, keys] of waiting) {
        for (let from = 0; from < keys.length && this.isOpen(result); from += KEYS_MAX) {
          this.options.signal.throwIfAborted();
          await this.judge(result, keys.slice(from, from + KEYS_MAX));
        }
      }
      if (this.unsettledRows === 0 || this.reason !== null) return;
      if (performance.now() >= untilMs) {
        this.reason = this.stillOnTheirWay();
        return;
      }
      await delay(PAUSE_MS, undefined, { signal: this.options.signal }).catch(() => this.throwAborted());
    }
  }

  private stillOnTheirWay(): string {
    const tables = [...this.unsettled.keys()].map(({ table }) => table.name).join(', ');
    return `${this.unsettledRows} rows of ${tables} were written, or waited to cross, for as long as the nodes were compared`;
  }

  private throwAborted(): never {
    this.options.signal.throwIfAborted();
    throw new SqlsyncError('interrupted', 'the comparison was given up');
  }
}

function toResult(table: ComparedTable): ComparedTableResult {
  return { table, rows: 0, differing: 0, kept: 0, told: [], written: 0, reason: null };
}

/** Why nothing is known of some tables; null: all were compared. */
function reasonOf(tables: readonly ComparedTableResult[]): string | null {
  const reasons = new Set(tables.flatMap(({ reason }) => reason ?? []));
  return reasons.size === 0 ? null : [...reasons].join('; ');
}
