/**
 * Where a table differs between two nodes: ranges of the key are hashed on both sides, at the same time, and only those
 * with unlike hashes are looked at more closely, down to the keys of single rows. What is equal is not sent.
 *
 * Nothing is judged here. Each side is read as it is at that moment, and while applications write the moments differ: the
 * keys that come out are those of rows that may differ. A row that differs at all the moments is among them.
 */
import { SqlsyncError } from '../../errors.js';
import type { AnswerTo, ComparedTable } from '../../replication/compare-messages.js';
import { packValues, unpackKey } from '../../replication/compared-values.js';
import type { ListedRow } from '../../replication/comparison.js';
import type { KeyRange } from '../../replication/key-order.js';
import { canonicalKey } from '../../replication/row-key.js';
import type { SqlValue } from '../../replication/row-version.js';
import { ask, type CompareChannel } from './compare-channel.js';
import type { ComparisonAnswers, OwnRange } from './comparison-answers.js';

/** Rows of the ranges that are hashed first. */
const RANGE_ROWS = 2048;
/** Rows of the ranges that are listed: a range that differs is cut into so small ones before. */
const LEAF_ROWS = 64;
/** Ranges of one question. */
const RANGES_PER_QUESTION = 16;
const LEAVES_PER_QUESTION = 64;

export type Key = readonly SqlValue[];

export interface CandidateOptions {
  readonly own: ComparisonAnswers;
  readonly channel: CompareChannel;
  /** Called with the rows that have been looked at here. */
  readonly onRows: (rows: number) => void;
}

export class CandidateSearch {
  private readonly collations: readonly string[];

  constructor(
    private readonly table: ComparedTable,
    private readonly options: CandidateOptions,
  ) {
    this.collations = table.key.map(({ collation }) => collation);
  }

  /** The keys of rows that may differ, some at a time, each key once. */
  async *find(): AsyncGenerator<Key[], void, undefined> {
    const { own, onRows } = this.options;
    let waiting: Promise<OwnRange[]> | null = null;
    for (let after: Key | null = null, isEnd = false; !isEnd; ) {
      const part = await own.split(
        this.table,
        { after, to: null },
        { ranges: RANGES_PER_QUESTION, rowsMax: RANGE_ROWS },
      );
      ({ isEnd } = part);
      after = part.ranges.at(-1)?.to ?? null;
      onRows(part.ranges.reduce((sum, { digest }) => sum + digest.rows, 0));
      // While the other side hashes these, this one goes on with the next.
      const asked = this.unlike(part.ranges);
      asked.catch(() => {});
      if (waiting !== null) yield* this.narrow(await waiting);
      waiting = asked;
    }
    if (waiting !== null) yield* this.narrow(await waiting);
  }

  /** Those of the ranges, one after the other, that the other side has otherwise. */
  private async unlike(ranges: readonly OwnRange[]): Promise<OwnRange[]> {
    const [first] = ranges;
    if (first === undefined) return [];
    const { digests } = await ask(this.options.channel, {
      kind: 'digests',
      table: this.table,
      after: first.after === null ? null : packValues(first.after),
      ends: ranges.map(({ to }) => (to === null ? null : packValues(to))),
    });
    if (digests.length !== ranges.length) throw damaged('the hashes are not those of the ranges asked for');
    return ranges.filter(({ digest }, i) => digest.hash !== digests[i]?.hash || digest.rows !== digests[i]?.rows);
  }

  private async *narrow(ranges: readonly OwnRange[]): AsyncGenerator<Key[], void, undefined> {
    for (const range of ranges) {
      if (range.digest.rows <= LEAF_ROWS) yield* this.list(range);
      else yield* this.cut(range);
    }
  }

  private async *cut(range: OwnRange): AsyncGenerator<Key[], void, undefined> {
    for (let { after } = range, isEnd = false; !isEnd; ) {
      const whole = { after, to: range.to };
      const part = await this.options.own.split(this.table, whole, { ranges: LEAVES_PER_QUESTION, rowsMax: LEAF_ROWS });
      ({ isEnd } = part);
      after = part.ranges.at(-1)?.to ?? null;
      for (const leaf of await this.unlike(part.ranges)) yield* this.list(leaf);
    }
  }

  /** Compares a range row by row. The other side may have many more rows in it than this one. */
  private async *list(range: KeyRange): AsyncGenerator<Key[], void, undefined> {
    for (let { after } = range, more = true; more; ) {
      const theirs: AnswerTo<'hashes'> = await ask(this.options.channel, {
        kind: 'hashes',
        table: this.table,
        after: after === null ? null : packValues(after),
        to: range.to === null ? null : packValues(range.to),
      });
      const rows = theirs.rows.map(({ key, hash }) => ({ key: unpackKey(key, this.table.key.length), hash }));
      const last = rows.at(-1)?.key;
      ({ more } = theirs);
      if (more && last === undefined) throw damaged('a list of rows goes on without having begun');
      const to = more ? (last ?? null) : range.to;
      yield this.unlikeRows(await this.options.own.list(this.table, { after, to }), rows);
      after = to;
    }
  }

  private unlikeRows(ours: readonly ListedRow[], theirs: readonly ListedRow[]): Key[] {
    const rest = new Map(theirs.map((row) => [canonicalKey(row.key, this.collations), row]));
    const keys: Key[] = [];
    for (const { key, hash } of ours) {
      const name = canonicalKey(key, this.collations);
      const other = rest.get(name);
      rest.delete(name);
      if (other?.hash !== hash) keys.push(key);
    }
    return [...keys, ...[...rest.values()].map(({ key }) => key)];
  }
}

function damaged(what: string): SqlsyncError {
  return new SqlsyncError('batch-damaged', what, { hint: 'do both nodes run the same version of sqlsync?' });
}
