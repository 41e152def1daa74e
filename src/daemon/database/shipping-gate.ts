/**
 * Keeps a large apply and shipping apart: a node that is half-way through a catch-up claims nothing, so it ships nothing.
 * Before such an apply begins, the cuts under way may end; while it goes on, none begins.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { LockedCut } from '../stream/send-stream.js';

/** How often it is looked whether the cuts under way have ended. */
const LOOK_EVERY_MS = 5;

export class ShippingGate {
  private readonly cuts = new Set<LockedCut>();
  private appliesUnderWay = 0;

  constructor(private readonly waitMsMax: number) {}

  get isShut(): boolean {
    return this.appliesUnderWay > 0;
  }

  /** The cut, counted as under way until it is closed. */
  track(cut: LockedCut): LockedCut {
    this.cuts.add(cut);
    const close = () => {
      this.cuts.delete(cut);
      cut.close();
    };
    return { wireVersion: cut.wireVersion, next: () => cut.next(), end: () => cut.end(), close };
  }

  /** Lets the cuts under way end; those that take longer than waitMsMax go on. */
  async idle(): Promise<void> {
    const untilMs = performance.now() + this.waitMsMax;
    while (this.cuts.size > 0 && performance.now() < untilMs) await delay(LOOK_EVERY_MS);
  }

  /** Shuts the gate, lets the cuts under way end (those that take longer than waitMsMax break off), and does the work. */
  async whileShut(work: () => Promise<void>): Promise<void> {
    this.appliesUnderWay += 1;
    try {
      await this.idle();
      await work();
    } finally {
      this.appliesUnderWay -= 1;
    }
  }
}
