/**
 * What this node answers to one that compares its rows with ours, and to itself when it is the one that compares. A
 * question takes many brief looks at the file; between two of them others get their turn.
 */
import { setImmediate as turn } from 'node:timers/promises';
import {
  type Answer,
  type ComparedTable,
  HASHES_MAX,
  KEY_CHARS_MAX,
  type Question,
  type QuestionOf,
  type RangeDigest,
} from '../../replication/compare-messages.js';
import { hashOf, packRow, packValues, RangeHasher, unpackKey } from '../../replication/compared-values.js';
import type { JudgedRow, ListedRow } from '../../replication/comparison.js';
import type { KeyRange } from '../../replication/key-order.js';
import { decidesNothing } from '../../replication/read-only.js';
import type { Replica } from '../../replication/replica.js';
import type { Disagreement, OtherNode, RowToRewrite } from '../../replication/row-repair.js';
import type { SqlValue } from '../../replication/row-version.js';
import type { Hello } from '../../replication/wire-messages.js';

/** The asker's ranges hold a few thousand rows; of one that holds more here it is enough to know that it does. */
const RANGE_ROWS_MAX = 16_384;
const RANGE_BYTES_MAX = 16 * 1024 * 1024;

/** Rows of an answer, as text. */
const ROWS_CHARS_MAX = 8 * 1024 * 1024;

/** The file as it is reached: see DatabaseService. */
export interface ComparedFile {
  readonly replica: Pick<Replica, 'comparison' | 'hello' | 'isReadOnly' | 'knownMemberNames' | 'node'>;
  /** The database's name. */
  readonly name: string;
  /** Does a piece of work as soon as the file is free. */
  work<Result>(attempt: () => Result): Promise<Result>;
  /** Aborts when nothing more is to be done on the file. */
  readonly stopSignal: AbortSignal;
  readonly lockHoldMsMax: number;
  /** The time that writers of the application get between two pieces. */
  gap(): Promise<void>;
  /** Throws why nothing can be exchanged with this peer, if so. */
  greet(peer: Hello): Promise<void>;
  /** This node may have something new for its peers. */
  tellAdvanced(): void;
}

/** What a comparison has found that closes a gap. */
type GapFound = Parameters<Replica['comparison']['closeGap']>[1];

/** The node whose rows were compared. */
export interface ComparedPeer {
  readonly nodeId: string;
  /** May writes to the same tables have gone unrecorded there? */
  readonly hasMissed: boolean;
  /** Other members with which it has compared them. */
  readonly covered: readonly string[];
}

/** A range as it is here. */
export interface OwnRange extends KeyRange {
  readonly digest: RangeDigest;
}

export class ComparisonAnswers {
  /** For how long looks have had the file since writers last had a pause. */
  private heldMs = 0;
  /** Peers with which all that a gap may hide has been compared, as long as nothing more is missed. */
  private covered = { mark: -1, peers: new Set<string>() };

  constructor(private readonly file: ComparedFile) {}

  private get comparison() {
    return this.file.replica.comparison;
  }

  /** Throws what keeps the asker from exchanging anything with this node, 'schema-differs' for a table that is another here, and the registry's errors of a file. */
  async answer(question: Question): Promise<Answer> {
    switch (question.kind) {
      case 'hello':
        return this.answerHello(question);
      case 'digests':
        return this.answerDigests(question);
      case 'hashes':
        return this.answerHashes(question);
      case 'rows':
        return this.answerRows(question);
      case 'rewrite':
        return this.answerRewrite(question);
    }
  }

  private async answerHello({ hello }: QuestionOf<'hello'>): Promise<Answer> {
    await this.file.greet(hello);
    const mine = await this.hello();
    const tables = mine.schemaHash === hello.schemaHash ? null : await this.tables();
    const { tables: gap } = this.comparison.gap;
    return { kind: 'hello', hello: mine, gap: [...gap], covered: [...this.coveredSince().peers], tables };
  }

  hello(): Promise<Hello> {
    return this.file.work(() => this.file.replica.hello(this.file.name));
  }

  private async answerDigests({ table, after, ends }: QuestionOf<'digests'>): Promise<Answer> {
    const digests: (RangeDigest | null)[] = [];
    let from = toKey(table, after);
    for (const end of ends) {
      const to = toKey(table, end);
      digests.push(await this.digest(table, { after: from, to }));
      from = to;
    }
    return { kind: 'digests', digests };
  }

  /** Null: the range holds more than RANGE_ROWS_MAX rows, or RANGE_BYTES_MAX bytes. */
  private async digest(table: ComparedTable, range: KeyRange): Promise<RangeDigest | null> {
    const hasher = new RangeHasher();
    let rows = 0;
    let bytes = 0;
    for (let { after } = range; ; ) {
      const slice = await this.work(() => this.comparison.readRange(table, { after, to: range.to }));
      hasher.add(slice.bytes);
      rows += slice.rows;
      bytes += slice.bytes.length;
      if (rows > RANGE_ROWS_MAX || bytes > RANGE_BYTES_MAX) return null;
      if (slice.isEnd) return { rows, hash: hasher.digest() };
      after = slice.last;
    }
  }

  private async answerHashes({ table, after, to }: QuestionOf<'hashes'>): Promise<Answer> {
    const range = { after: toKey(table, after), to: toKey(table, to) };
    const { rows, isEnd } = await this.work(() => this.comparison.listRange(table, range, HASHES_MAX));
    return {
      kind: 'hashes',
      rows: rows.map(({ key, hash }) => ({ key: packValues(key), hash })),
      more: !isEnd,
    };
  }

  private async answerRows({ table, keys }: QuestionOf<'rows'>): Promise<Answer> {
    const wanted = keys.map((key) => unpackKey(key, table.key.length));
    const { rows, hello } = await this.judge(table, wanted);
    let room = ROWS_CHARS_MAX;
    const answered: (Answer & { kind: 'rows' })['rows'] = [];
    for (const { image, vector } of rows) {
      const row = image === null ? null : packRow(image);
      room -= row?.values.length ?? 0;
      if (room < 0 && answered.length > 0) break;
      answered.push({ row, dots: [...(vector ?? [])] });
    }
    return { kind: 'rows', rows: answered, hello };
  }

  private async answerRewrite({ table, rows }: QuestionOf<'rewrite'>): Promise<Answer> {
    const { node, isReadOnly } = this.file.replica;
    if (isReadOnly) throw decidesNothing(node);
    await this.rewrite(
      table,
      rows.map((row) => ({ ...row, key: unpackKey(row.key, table.key.length) })),
    );
    return { kind: 'rewrite', rows: rows.length };
  }

  /** The application's replicated tables. */
  tables(): Promise<ComparedTable[]> {
    return this.file.work(() => this.comparison.tables());
  }

  get gap(): Replica['comparison']['gap'] {
    return this.comparison.gap;
  }

  /**
   * False: more has been missed since the mark was taken, or the peer has missed some itself, and what both have missed
   * alike others may have otherwise: then all members have to be compared with. `peer` null: there is nobody else.
   */
  async closeGap(mark: number, found: GapFound, peer: ComparedPeer | null): Promise<boolean> {
    const others = this.file.replica.knownMemberNames.filter((name) => name !== this.file.replica.node);
    const { peers } = this.coveredSince();
    // Who is equal to the peer in all that was recorded is equal to those that the peer is equal to.
    if (mark === this.comparison.gap.mark && found.peer !== null) {
      for (const name of [found.peer, ...(peer?.covered ?? [])]) peers.add(name);
    }
    const isWithAll = others.every((name) => peers.has(name));
    if (peer?.hasMissed && !isWithAll) return false;
    if (peer !== null && others.length > 1) await this.repeat(() => this.comparison.claimRows(peer.nodeId));
    await this.repeat(() => this.comparison.judgeReplaced());
    const isClosed = await this.file.work(() => this.comparison.closeGap(mark, found));
    this.file.tellAdvanced();
    return isClosed;
  }

  /** Once more is missed, what was compared before counts for nothing. */
  private coveredSince(): { readonly peers: Set<string> } {
    const { isOpen, mark } = this.comparison.gap;
    if (!isOpen || this.covered.mark !== mark) this.covered = { mark, peers: new Set() };
    return this.covered;
  }

  /** See row-repair.ts for this and the next two. */
  rewrite(table: ComparedTable, rows: readonly RowToRewrite[]): Promise<void> {
    return this.untilWritten(() => this.comparison.rewrite(table, rows));
  }

  overrule(
    table: ComparedTable,
    rows: readonly Disagreement[],
    other: OtherNode,
    strategy: 'repair' | 'own',
  ): Promise<void> {
    return this.untilWritten(() => this.comparison.overrule(table, rows, other, strategy));
  }

  keepBeforeYielding(table: ComparedTable, rows: readonly Disagreement[], other: OtherNode): Promise<void> {
    return this.untilWritten(() => this.comparison.keepBeforeYielding(table, rows, other));
  }

  /** The rows with these keys, and what this node has at that moment. */
  judge(
    table: ComparedTable,
    keys: readonly (readonly SqlValue[])[],
  ): Promise<{ readonly rows: JudgedRow[]; readonly hello: Hello }> {
    const { replica, name } = this.file;
    return this.work(() => ({ rows: this.comparison.judge(table, keys), hello: replica.hello(name) }));
  }

  /** The next ranges, of at most `rowsMax` rows each; the last one ends where the whole does when it holds no more. */
  async split(
    table: ComparedTable,
    whole: KeyRange,
    { ranges: rangesMax, rowsMax }: { readonly ranges: number; readonly rowsMax: number },
  ): Promise<{ readonly ranges: OwnRange[]; readonly isEnd: boolean }> {
    const ranges: OwnRange[] = [];
    let room = KEY_CHARS_MAX;
    for (let { after } = whole; ranges.length < rangesMax && room > 0; ) {
      const from = after;
      const slice = await this.work(() => this.comparison.readRange(table, { after: from, to: whole.to }, rowsMax));
      const to = slice.isEnd ? whole.to : slice.last;
      ranges.push({ after: from, to, digest: { rows: slice.rows, hash: hashOf(slice.bytes) } });
      if (slice.isEnd) return { ranges, isEnd: true };
      room -= to === null ? 0 : packValues(to).length;
      after = to;
    }
    return { ranges, isEnd: false };
  }

  /** All rows of a range by their hashes. */
  async list(table: ComparedTable, range: KeyRange): Promise<ListedRow[]> {
    const listed: ListedRow[] = [];
    for (let { after } = range; ; ) {
      const from = after;
      const slice = await this.work(() => this.comparison.listRange(table, { after: from, to: range.to }, HASHES_MAX));
      listed.push(...slice.rows);
      if (slice.isEnd) return listed;
      after = slice.rows.at(-1)?.key ?? null;
    }
  }

  /** Does a step as often as it says that there is more. */
  private async repeat(step: () => boolean): Promise<void> {
    while (await this.file.work(step)) await this.file.gap();
  }

  /** Does a write that asks to be tried again until it is done, and has what it wrote shipped. */
  private async untilWritten(attempt: () => boolean): Promise<void> {
    await this.repeat(() => !attempt());
    this.file.tellAdvanced();
    await this.file.gap();
  }

  private async work<Result>(attempt: () => Result): Promise<Result> {
    this.file.stopSignal.throwIfAborted();
    const result = await this.file.work(() => this.timed(attempt));
    // One look more must not make it too long that writers are kept out.
    if (this.comparison.holdsLock && this.heldMs > this.file.lockHoldMsMax / 2) {
      await this.file.gap();
      this.heldMs = 0;
    } else await turn();
    return result;
  }

  private timed<Result>(attempt: () => Result): Result {
    const startMs = performance.now();
    try {
      return attempt();
    } finally {
      this.heldMs += performance.now() - startMs;
    }
  }
}

function toKey(table: ComparedTable, values: string | null): SqlValue[] | null {
  return values === null ? null : unpackKey(values, table.key.length);
}
