/**
 * Calls an address again and again while everything is well, and keeps silent otherwise: whoever watches it raises the
 * alarm when no call comes, also when this whole machine is gone. What is well, `sqlsync status` says.
 */
import type { Logger } from 'pino';
import { request } from 'undici';
import type { NodeStatus } from '../operations/status-report.js';
import { renderCount } from '../render-figures.js';

/** An answer that takes longer is none. */
const ANSWER_MS_MAX = 10_000;

export interface HeartbeatOptions {
  readonly everyMs: number;
  /** Read for each call, since it may be exchanged. Never logged: whoever knows it can silence the alarm. */
  readonly readUrl: () => string;
  readonly readStatus: () => Promise<Pick<NodeStatus, 'healthy' | 'problems'>>;
  readonly logger: Logger;
}

type Beat = { readonly outcome: 'sent' } | { readonly outcome: 'unhealthy' | 'failed'; readonly why: string };

export class Heartbeat {
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private last: Beat['outcome'] | null = null;

  constructor(private readonly options: HeartbeatOptions) {}

  start(): this {
    void this.run();
    return this;
  }

  stop(): void {
    this.stopping.abort();
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private async run(): Promise<void> {
    this.tell(await this.beat());
    if (!this.stopping.signal.aborted) this.timer = setTimeout(() => void this.run(), this.options.everyMs);
  }

  private async beat(): Promise<Beat> {
    try {
      const { healthy, problems } = await this.options.readStatus();
      const errors = problems.filter(({ severity }) => severity === 'error').map(({ code }) => code);
      if (!healthy) return { outcome: 'unhealthy', why: [...new Set(errors)].join(', ') };
      return await this.call();
    } catch (error) {
      return { outcome: 'failed', why: (error as Error).message };
    }
  }

  private async call(): Promise<Beat> {
    const signal = AbortSignal.any([this.stopping.signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
    const { statusCode, body } = await request(this.options.readUrl(), { method: 'GET', signal });
    await body.dump();
    if (statusCode >= 200 && statusCode < 300) return { outcome: 'sent' };
    return { outcome: 'failed', why: `it answers with HTTP status ${statusCode}` };
  }

  /** Only what is new: nobody reads a line a minute. */
  private tell(beat: Beat): void {
    const { logger, everyMs } = this.options;
    if (beat.outcome === this.last || this.stopping.signal.aborted) return;
    const every = renderCount(Math.round(everyMs / 1000), 'second');
    this.last = beat.outcome;
    if (beat.outcome === 'sent') logger.info(`the heartbeat is sent every ${every}`);
    else if (beat.outcome === 'unhealthy')
      logger.warn(`no heartbeat is sent, since this node is unhealthy: ${beat.why}`);
    else logger.warn(`no heartbeat could be sent: ${beat.why}`);
  }
}
