/**
 * While one of two connected nodes waits for the outcome of a change of the rules, this side asks the other now and then
 * what has become of it, and tells what it knows itself: also when whoever was to tell has lost the thread.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { SqlsyncError } from '../../errors.js';
import type { Hello } from '../../replication/wire-messages.js';
import type { DatabaseService } from '../database/database-service.js';
import { type AskRules, hearOutcome } from '../rules/rule-outcome.js';

/** An ordinary change is over before somebody asks. */
const ASK_AGAIN_MS = 1_000;

export interface LiveRulesOptions {
  readonly database: DatabaseService;
  /** The peer as it last described itself. */
  readonly peerHello: () => Hello;
  readonly ask: AskRules;
  /** A failure of what nobody awaits: it ends the connection. */
  readonly onFailure: (error: unknown) => void;
}

export class LiveRules {
  private readonly stopped = new AbortController();
  private isAsking = false;

  constructor(private readonly options: LiveRulesOptions) {}

  /** The two have met. */
  onGreeted(): void {
    this.ask(0);
  }

  /** The peer has spoken, or something has changed here. */
  onNews(): void {
    this.ask(ASK_AGAIN_MS);
  }

  private ask(afterMs: number): void {
    if (this.isAsking || !this.isOpen) return;
    this.isAsking = true;
    this.askUntilSettled(afterMs)
      .catch(this.options.onFailure)
      .finally(() => {
        this.isAsking = false;
      });
  }

  close(): void {
    this.stopped.abort();
  }

  /** Does one of the two wait? */
  private get isOpen(): boolean {
    const { database, peerHello } = this.options;
    return !this.stopped.signal.aborted && (database.replica.rules.waiting !== null || peerHello().ruleChange !== null);
  }

  private async askUntilSettled(afterMs: number): Promise<void> {
    const { database, ask } = this.options;
    const { signal } = this.stopped;
    for (let waitMs = afterMs; ; waitMs = ASK_AGAIN_MS) {
      await delay(waitMs, undefined, { signal, ref: false }).catch(() => {});
      if (!this.isOpen) return;
      try {
        await hearOutcome(database, ask);
      } catch (error) {
        // Not now: the peer's file is locked, say.
        if (!(error instanceof SqlsyncError)) throw error;
      }
    }
  }
}
