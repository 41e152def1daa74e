/**
 * Since when this node has been listening to the others without a break. Whoever was off or asleep has heard of nobody,
 * and must not take that for their silence: a sign of life is left beside the file now and then, and where it is older
 * than it should be, listening has begun anew.
 */
import { readJsonFile, type SideDirectory, tryToWriteJsonFile } from '../file/side-directory.js';

/** Signs of life between two of which a member may be silent for too long, at least. */
const SIGNS_PER_LIMIT = 24;
const SIGN_MS_MAX = 3_600_000;
/** So many signs may be missed: restarts, and a machine that is busy. */
const MISSED_MAX = 3;

interface Signs {
  readonly sinceMs: number;
  readonly lastMs: number;
}

export class Presence {
  private signMs: number;
  private signs: Signs;
  private timer: NodeJS.Timeout | null = null;

  /** @param silentMsMax how long a member may be silent */
  constructor(
    private readonly side: Pick<SideDirectory, 'presencePath'>,
    silentMsMax: number,
    private readonly nowMs: () => number = Date.now,
  ) {
    this.signMs = signMsFor(silentMsMax);
    this.signs = readSigns(side) ?? { sinceMs: nowMs(), lastMs: nowMs() };
  }

  /** Unix milliseconds. */
  get sinceMs(): number {
    this.look();
    return this.signs.sinceMs;
  }

  /** From now on a member may be silent for so long. What has been listened to so far is judged as it was. */
  bound(silentMsMax: number): void {
    const signMs = signMsFor(silentMsMax);
    if (signMs === this.signMs) return;
    this.look();
    this.signMs = signMs;
    if (this.timer === null) return;
    this.stop();
    this.start();
  }

  start(): void {
    this.look();
    this.timer ??= setInterval(() => this.look(), this.signMs).unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  private look(): void {
    const nowMs = this.nowMs();
    const pauseMs = nowMs - this.signs.lastMs;
    // A clock that was set back says nothing of what happened meanwhile.
    const isBroken = pauseMs < 0 || pauseMs > MISSED_MAX * this.signMs;
    if (!isBroken && pauseMs < this.signMs / 2) return;
    this.signs = { sinceMs: isBroken ? nowMs : this.signs.sinceMs, lastMs: nowMs };
    tryToWriteJsonFile(this.side.presencePath, this.signs);
  }
}

function signMsFor(silentMsMax: number): number {
  return Math.max(1, Math.min(SIGN_MS_MAX, Math.floor(silentMsMax / SIGNS_PER_LIMIT)));
}

function readSigns(side: Pick<SideDirectory, 'presencePath'>): Signs | null {
  const signs = readJsonFile(side.presencePath) as Partial<Signs> | null | undefined;
  if (typeof signs?.sinceMs !== 'number' || typeof signs.lastMs !== 'number') return null;
  return { sinceMs: signs.sinceMs, lastMs: signs.lastMs };
}
