/**
 * Closes gaps of capture: as soon as a peer is in touch, the tables of which writes may have gone unrecorded are compared
 * with the peer's, and rows that differ become this node's own writes. Nobody has to ask for it; `verify` does the same.
 */
import type { Logger } from 'pino';
import { SqlsyncError } from '../../errors.js';
import type { VerifiedPeer } from '../../operations/verify-report.js';
import type { DatabaseService } from '../database/database-service.js';
import type { PeerTarget } from '../peer/peer-target.js';
import { CoalescedJob } from '../timing/coalesced-job.js';
import type { Verification } from './verification.js';

/** What a migration does in a row is compared once. */
const GAP_MS = 500;
/** Pauses after a comparison that did not come to an end. */
const RETRY_MS_MIN = 2_000;
const RETRY_MS_MAX = 60_000;

export interface GapClosingOptions {
  readonly services: readonly DatabaseService[];
  /** The peers of a database that can be spoken to. */
  readonly targetsOf: (database: string) => readonly PeerTarget[];
  readonly verification: Verification;
  readonly waitMsMax: number;
  readonly logger: Logger;
  readonly onBug: (error: unknown) => void;
}

export class GapClosing {
  private readonly job: CoalescedJob;

  constructor(private readonly options: GapClosingOptions) {
    this.job = new CoalescedJob({
      run: () => this.closeAll(),
      gapMs: GAP_MS,
      retryMsMin: RETRY_MS_MIN,
      retryMsMax: RETRY_MS_MAX,
      // That coverage is unknown is told by the status for as long as it is so.
      onProblem: () => {},
      onBug: options.onBug,
    });
  }

  /** There may be a gap to close, or a peer to close it with. */
  request(): void {
    if (this.options.services.some(hasGap)) this.job.request();
  }

  stop(): Promise<void> {
    return this.job.stop();
  }

  private async closeAll(): Promise<void> {
    const left: string[] = [];
    for (const service of this.options.services) {
      if (hasGap(service) && !(await this.close(service))) left.push(service.name);
    }
    if (left.length === 0) return;
    throw new SqlsyncError('coverage-unknown', `the gap of ${left.join(', ')} could not be closed yet`);
  }

  /** False: a comparison was tried, and is to be tried again. Without a peer in touch nothing is. */
  private async close(service: DatabaseService): Promise<boolean> {
    const { gap } = service.answers;
    if (service.replica.isOnlyMember || gap.tables.length === 0) {
      await service.answers.closeGap(gap.mark, { peer: null, rowsWritten: 0 }, null);
      this.tell(service, gap.tables, 'nobody, since no other node has the rows');
      return true;
    }
    const targets = this.options.targetsOf(service.name).filter(({ peer }) => IN_TOUCH.includes(peer.state));
    for (const target of targets) {
      const result = await this.compare(target, gap.tables);
      if (!result.gapClosed) continue;
      this.tell(service, gap.tables, `${result.name}, ${result.rowsWritten} rows written again`);
      return true;
    }
    return targets.length === 0;
  }

  private async compare(target: PeerTarget, tables: readonly string[]): Promise<VerifiedPeer> {
    const { verification, waitMsMax } = this.options;
    const signal = target.service.stopSignal;
    const options = { tables, mode: 'close-gap', waitMsMax, onProgress: () => {}, signal } as const;
    const [result] = await verification.run([target], options);
    return result as VerifiedPeer;
  }

  private tell(service: DatabaseService, tables: readonly string[], how: string): void {
    const { logger } = this.options;
    logger.info({ database: service.name, tables }, `the gap of capture is closed: compared with ${how}`);
  }
}

const IN_TOUCH: readonly string[] = ['online', 'syncing'];

function hasGap({ answers }: DatabaseService): boolean {
  return answers.gap.isOpen;
}
