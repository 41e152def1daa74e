/** Those who follow the changes of a node's databases, each at its own pace, and no more of them than may be. */
import type { Limits } from '../../config-limits.js';
import { SqlsyncError } from '../../errors.js';
import type { ChangeEvent } from '../../operations/change-follower.js';
import type { DatabaseService } from '../database/database-service.js';
import type { ServedDatabases } from '../database/served-databases.js';
import { answerOf } from '../peer/error-answer.js';
import { ChangeFeed } from './change-feed.js';
import type { FeedRequest } from './feed-request.js';
import type { FeedSink } from './feed-sink.js';

export interface FeedOptions {
  readonly databases: ServedDatabases;
  readonly limits: Pick<Limits, 'feedSubscribersMax' | 'heartbeatMs' | 'idleTimeoutMs'>;
  /** What is no error of the registry: the daemon cannot go on. */
  readonly onBug: (error: unknown) => void;
}

interface Subscription {
  readonly ending: AbortController;
  readonly batches: AsyncIterator<readonly ChangeEvent[]>;
  readonly first: readonly ChangeEvent[];
}

export class FeedSubscribers {
  private readonly feeds = new Map<DatabaseService, ChangeFeed>();
  /** Resolved when it is over. */
  private readonly running = new Map<AbortController, Promise<void>>();

  constructor(private readonly options: FeedOptions) {}

  /** Begins to read for a subscriber. Throws `database-unknown`, `feed-full`, and `usage` for what cannot be asked. */
  async begin({ database, query }: FeedRequest): Promise<Subscription> {
    const { databases, limits } = this.options;
    const { service } = databases.find(database);
    if (this.running.size >= limits.feedSubscribersMax) {
      throw new SqlsyncError('feed-full', `this node has ${this.running.size} subscribers, as many as it may have`, {
        hint: 'end one of them, or raise limits.feedSubscribersMax',
      });
    }
    const ending = new AbortController();
    this.running.set(ending, Promise.resolve());
    try {
      const batches = this.feedOf(service).subscribe(query, ending.signal);
      const { value } = await batches.next();
      return { ending, batches, first: value ?? [] };
    } catch (error) {
      this.running.delete(ending);
      throw error;
    }
  }

  private feedOf(service: DatabaseService): ChangeFeed {
    let feed = this.feeds.get(service);
    if (feed === undefined) {
      feed = new ChangeFeed(service);
      this.feeds.set(service, feed);
    }
    return feed;
  }

  /** Sends what comes until either side ends it. */
  serve(subscription: Subscription, sink: FeedSink): void {
    const { ending } = subscription;
    sink.onGone(() => ending.abort());
    if (sink.isGone) ending.abort();
    const heartbeat = setInterval(() => sink.beat(), this.options.limits.heartbeatMs);
    const whole = this.pump(subscription, sink)
      .catch((error: unknown) => {
        sink.fail(answerOf(error));
        if (!(error instanceof SqlsyncError)) this.options.onBug(error);
      })
      .finally(async () => {
        clearInterval(heartbeat);
        await subscription.batches.return?.();
        this.running.delete(ending);
      });
    this.running.set(ending, whole);
  }

  private async pump({ first, batches }: Subscription, sink: FeedSink): Promise<void> {
    for (let events = first; ; ) {
      // Whoever takes nothing for so long is gone, or as good as gone.
      const tooLate = setTimeout(() => sink.cut(), this.options.limits.idleTimeoutMs);
      await sink.send(events);
      clearTimeout(tooLate);
      const { value, done } = await batches.next();
      if (done) break;
      events = value;
    }
    sink.end();
  }

  /** Ends all. */
  async close(): Promise<void> {
    for (const ending of this.running.keys()) ending.abort();
    await Promise.all(this.running.values());
  }
}
