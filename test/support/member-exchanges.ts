/** Exchanges in a history of members, and what may refuse them: in one go, late, or by parts. */
import { type EngineNode, stageOf } from './engine-node.js';
import type { Random } from './seeded-random.js';
import { SlowStreams } from './slow-streams.js';
import type { ValueLedger } from './value-ledger.js';

/** Refusals of an exchange that such histories may meet. */
const REFUSALS = ['stale', 'member-removed', 'batch-outdated', 'catching-up', 'node-name-taken'];
/** Among them those that members may meet that were never away. */
const ORDINARY = ['batch-outdated', 'catching-up'];
const PARTS_MAX = 8;

export function isExpected(code: string): boolean {
  return REFUSALS.includes(code);
}

export interface ExchangeCounts {
  rowsCrossed: number;
  stale: number;
  late: number;
  cutShort: number;
  readonly removed: number;
  readonly restores: number;
}

export class MemberExchanges {
  private readonly streams: SlowStreams;

  constructor(
    private readonly random: Random,
    private readonly ledger: ValueLedger,
    private readonly counts: ExchangeCounts,
  ) {
    this.streams = new SlowStreams(random);
  }

  /** Has all cross that `from` has and `to` lacks. Returns the code by which it was refused, or null. */
  pull(to: EngineNode, from: EngineNode): string | null {
    // That needs no peer.
    if (this.streams.isHalf(to)) return this.refusedOr(() => this.streams.resume(to));
    const refusal = to.refusalBetween(from);
    if (refusal !== null) return this.noteRefusal(refusal.code);
    if (from.hello().catchingUp !== null) return this.noteRefusal('catching-up');
    this.ledger.watchStamps(stageOf(from, to.hello()));
    return this.refusedOr(() => {
      const rows = to.pull(from);
      if (typeof rows === 'string') this.noteRefusal(rows);
      else this.counts.rowsCrossed += rows;
    });
  }

  /** Cuts a stream that will arrive later, or has one of those arrive. */
  lag(to: EngineNode, from: EngineNode): void {
    if (this.random.chance(0.5)) this.refusedOr(() => this.streams.arrive());
    else if (this.mayPull(to, from)) {
      this.ledger.watchStamps(this.streams.send(to, from));
      this.counts.late += 1;
    }
  }

  /** Applies some of what another has. */
  pullInPart(to: EngineNode, from: EngineNode): void {
    if (this.streams.isHalf(to) || !this.mayPull(to, from)) return;
    const stage = stageOf(from, to.hello());
    this.ledger.watchStamps(stage);
    this.refusedOr(() => this.streams.apply(to, stage, this.random.int(PARTS_MAX)));
    if (this.streams.isHalf(to)) this.counts.cutShort += 1;
  }

  /** The node's process has ended. */
  forgetStreams(node: EngineNode): void {
    this.streams.forgetStreams(node);
  }

  /** Another file has taken the place of the node's. */
  forgetStages(node: EngineNode): void {
    this.streams.forgetStages(node);
    const stageId = node.replica.catchUp?.stageId ?? null;
    if (stageId !== null) node.replica.abandonStage(stageId);
  }

  private mayPull(to: EngineNode, from: EngineNode): boolean {
    return to.refusalBetween(from) === null && from.hello().catchingUp === null;
  }

  private refusedOr(exchange: () => void): string | null {
    try {
      exchange();
      return null;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === undefined || !isExpected(code)) throw error;
      return this.noteRefusal(code);
    }
  }

  private noteRefusal(code: string): string {
    if (!isExpected(code)) throw new Error(`an exchange was refused: ${code}`);
    const isOrdinary = this.counts.removed === 0 && this.counts.restores === 0;
    if (isOrdinary && !ORDINARY.includes(code)) throw new Error(`refused among members that were never away: ${code}`);
    if (code === 'stale') this.counts.stale += 1;
    return code;
  }
}
