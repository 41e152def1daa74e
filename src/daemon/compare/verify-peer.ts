/**
 * One comparison of this node with one peer, as an operator asks for it, and what is done on the way: `verify` closes
 * this node's gap of capture, `repair` has differing rows written again. What fails with the peer is told in the result.
 */
import { EXIT, SqlsyncError } from '../../errors.js';
import type { CompareMode, VerifiedPeer, VerifiedTable } from '../../operations/verify-report.js';
import type { Answer, ComparedTable, Question } from '../../replication/compare-messages.js';
import { decidesNothing } from '../../replication/read-only.js';
import type { Hello } from '../../replication/wire-messages.js';
import type { Passage } from '../peer/greeting.js';
import { exchangePaused } from '../peer/peer-failure.js';
import type { PeerTarget } from '../peer/peer-target.js';
import { chooseTables, comparableTables } from './comparable-tables.js';
import { ask } from './compare-channel.js';
import { type ComparedTableResult, type Comparison, NodeComparison } from './compare-nodes.js';
import { whyNotComparable } from './judge-rows.js';
import { closeGap, onlyTell, recordOnly, type Treatment, useHere, useThere } from './treatment.js';

export interface VerifyPeerOptions {
  /** Null: all. */
  readonly tables: readonly string[] | null;
  /** `close-gap`: as `verify`, but nothing is compared when the peer's tables do not have all that the gap may hide. */
  readonly mode: CompareMode | 'close-gap';
  /** How long rows are judged again on which a write is on its way. */
  readonly waitMsMax: number;
  /** Called with rows that have been looked at here. */
  readonly onRows: (rows: number) => void;
  readonly signal: AbortSignal;
}

/** Throws `interrupted`, `usage` for a table that there is not, and what keeps this node's own file from being read. */
export async function verifyPeer(target: PeerTarget, options: VerifyPeerOptions): Promise<VerifiedPeer> {
  const verification = new PeerVerification(target, options);
  try {
    return await verification.run();
  } catch (error) {
    if (!(error instanceof SqlsyncError) || options.signal.aborted || error.code === 'usage') throw error;
    // What passes leaves the question open; anything else is the answer.
    const isPassing = error.exitCode === EXIT.tryAgain;
    const { rowsWritten } = verification;
    const failure = isPassing ? null : error.toBody();
    return { ...NOTHING, name: target.peer.name, rowsWritten, reason: error.message, error: failure };
  }
}

const NOTHING = {
  equal: null,
  differencesTotal: 0,
  truncated: false,
  tables: [],
  rowsWritten: 0,
  gapClosed: false,
} as const;

class PeerVerification {
  private comparison: NodeComparison | null = null;

  constructor(
    private readonly target: PeerTarget,
    private readonly options: VerifyPeerOptions,
  ) {}

  private readonly channel = (question: Question): Promise<Answer> => this.target.ask(question, this.options.signal);

  async run(): Promise<VerifiedPeer> {
    const { service, peer } = this.target;
    const { answers } = service;
    this.refuseIfPaused();
    const gap = answers.gap;
    const mine = await service.hello();
    const theirs = await ask(this.channel, { kind: 'hello', hello: mine });
    await service.greet(theirs.hello);
    peer.heard(theirs.hello, Date.now());
    const ours = await answers.tables();
    const { tables, whole, lacking } = comparableTables(ours, theirs.tables, peer.name);
    const chosen = chooseTables(tables, ours, this.options.tables);
    const isWithinReach = gap.tables.every((name) => whole.has(name));
    const isInVain = this.options.mode === 'close-gap' && !isWithinReach;
    const reason = isInVain ? lacking : whyNotComparable(theirs.hello);
    if (reason !== null) return { ...NOTHING, name: peer.name, reason, error: null };
    const treat = this.treatment({ here: gap.tables, there: theirs.gap });
    const compared = await this.compare(chosen, treat, theirs.hello);
    const outcome = compared.hasUnchecked ? await this.lookAgain(compared, theirs.hello) : compared;
    const { rowsWritten } = this;
    const gapClosed =
      gap.isOpen &&
      isWithinReach &&
      this.covers(gap.tables, outcome) &&
      (await answers.closeGap(
        gap.mark,
        { peer: peer.name, rowsWritten },
        {
          nodeId: theirs.hello.nodeId,
          hasMissed: gap.tables.some((name) => theirs.gap.includes(name)),
          covered: theirs.covered,
        },
      ));
    const aside = this.options.tables === null ? asideBeside(chosen, mine, theirs.hello) : [];
    const notCompared = [...(lacking === null ? [] : [lacking]), ...aside].join('; ');
    return toReport(peer.name, outcome, notCompared === '' ? null : notCompared, gapClosed);
  }

  private refuseIfPaused(): void {
    const { peer } = this.target;
    const { mode } = this.options;
    if (peer.isPaused) throw exchangePaused(peer.name);
    const crosses = mode === 'use-here' ? peer.direction !== 'pull' : mode !== 'use-there' || peer.direction !== 'push';
    if (!crosses) {
      throw new SqlsyncError('peer-refused', `rows do not cross that way between this node and ${peer.name}`, {
        hint: 'look at `direction` in sqlsync.yml',
      });
    }
    const { ships, takes } = this.passage;
    if (mode === 'use-here' && !ships) throw decidesNothing(this.target.service.replica.node);
    if (mode === 'use-there' && !takes) throw decidesNothing(peer.name);
  }

  /** What membership lets pass. */
  private get passage(): Passage {
    const { service, peer } = this.target;
    return service.passage(peer.name);
  }

  private treatment(gap: { readonly here: readonly string[]; readonly there: readonly string[] }): Treatment {
    const sides = { own: this.target.service.answers, channel: this.channel };
    switch (this.options.mode) {
      case 'look':
        return onlyTell;
      case 'verify':
      case 'close-gap':
        return this.gapTreatment(gap);
      case 'use-here':
        return useHere(sides);
      case 'use-there':
        return useThere(sides);
    }
  }

  private gapTreatment(gap: { readonly here: readonly string[]; readonly there: readonly string[] }): Treatment {
    const sides = { own: this.target.service.answers, channel: this.channel };
    const { ships, takes } = this.passage;
    if (gap.here.length === 0) return onlyTell;
    if (!ships) return recordOnly(sides, gap.here);
    // What a read-only peer has may be what it has missed of its own: it finds that out first.
    if (!takes && gap.here.some((name) => gap.there.includes(name))) return onlyTell;
    return closeGap(sides, gap);
  }

  /** So far. */
  get rowsWritten(): number {
    return this.comparison?.rowsWritten ?? 0;
  }

  private compare(tables: readonly ComparedTable[], treat: Treatment, there: Hello): Promise<Comparison> {
    const { target, channel } = this;
    const { signal, waitMsMax, onRows } = this.options;
    this.comparison = new NodeComparison({
      own: target.service.answers,
      channel,
      tables,
      there,
      bringTogether: () => target.exchange(() => {}, signal),
      treat,
      waitMsMax,
      onRows,
      signal,
    });
    return this.comparison.run();
  }

  /** So much was written that it has not been looked at again: all of it is. */
  private async lookAgain(first: Comparison, there: Hello): Promise<Comparison> {
    const again = await this.compare(
      first.tables.map(({ table }) => table),
      onlyTell,
      there,
    );
    const written = new Map(first.tables.map((result) => [result.table.name, result.written]));
    for (const result of again.tables) result.written = written.get(result.table.name) ?? 0;
    return again;
  }

  /** Has all that a gap may hide been compared, and found equal or written down? */
  private covers(gap: readonly string[], { tables, isWhole }: Comparison): boolean {
    if (!isWhole || this.options.mode === 'look') return false;
    const judged = tables.filter(({ reason }) => reason === null);
    const isDone = ({ differing, kept }: ComparedTableResult) => differing === kept || !this.passage.ships;
    const done = new Set(judged.filter(isDone).map(({ table }) => table.name));
    return gap.every((name) => done.has(name));
  }
}

function toReport(
  name: string,
  { equal, reason, tables, isWhole }: Comparison,
  lacking: string | null,
  gapClosed: boolean,
): VerifiedPeer {
  const differencesTotal = tables.reduce((sum, { differing }) => sum + differing, 0);
  // Rows that are equal in what both sides have do not make two schemas one.
  const isUnlike = equal === true && lacking !== null;
  return {
    name,
    equal: isUnlike ? null : equal,
    reason: isUnlike ? lacking : reason,
    differencesTotal,
    truncated: tables.some(({ differing, told }) => told.length < differing),
    tables: tables.map((result) => toTable(result, isWhole)),
    rowsWritten: tables.reduce((sum, { written }) => sum + written, 0),
    gapClosed,
    error: null,
  };
}

/** Of which tables that were not compared the nodes keep changes aside: those are equal to nobody's. */
function asideBeside(compared: readonly ComparedTable[], ...nodes: readonly Hello[]): string[] {
  const names = new Set(compared.map(({ name }) => name));
  return nodes.flatMap(({ node, aside }) =>
    aside
      .filter((name) => !names.has(name))
      .map((name) => `${node} keeps changes of ${name} aside (sqlsync status there)`),
  );
}

function toTable({ table, rows, differing, told, reason }: ComparedTableResult, isWhole: boolean): VerifiedTable {
  const equal = differing > 0 ? false : isWhole && reason === null ? true : null;
  return { name: table.name, rows, equal, differences: told };
}
