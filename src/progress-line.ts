/**
 * One line on a terminal that says how far a long piece of work is: bytes, rate, time left. Off a terminal it says
 * nothing; who reads a log afterwards wants the result, not the way there.
 */
import { renderBytes, renderSeconds } from './render-figures.js';

/** Time between two drawings. */
const DRAW_MS = 100;
/** A rate measured over less says little about what is to come. */
const RATE_MS_MIN = 500;

export interface ProgressTerminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export class ProgressLine {
  private readonly startedMs: number;
  private drawnMs = Number.NEGATIVE_INFINITY;
  private isShown = false;

  /** @param terminal null: show nothing */
  constructor(
    private readonly label: string,
    private readonly terminal: ProgressTerminal | null,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.startedMs = nowMs();
  }

  /** @param total null: not known */
  update(bytes: number, total: number | null): void {
    const now = this.nowMs();
    if (this.terminal?.isTTY !== true || now - this.drawnMs < DRAW_MS) return;
    this.drawnMs = now;
    this.isShown = true;
    const line = this.render(bytes, total, now - this.startedMs);
    this.terminal.write(`\r\u001b[K${line.slice(0, (this.terminal.columns ?? 80) - 1)}`);
  }

  /** Takes the line away again. */
  clear(): void {
    if (this.isShown) this.terminal?.write('\r\u001b[K');
    this.isShown = false;
  }

  private render(bytes: number, total: number | null, elapsedMs: number): string {
    const parts = [total === null ? renderBytes(bytes) : `${renderBytes(bytes)} of ${renderBytes(total)}`];
    if (elapsedMs >= RATE_MS_MIN && bytes > 0) {
      const perSecond = bytes / (elapsedMs / 1000);
      parts.push(`${renderBytes(Math.round(perSecond))}/s`);
      // A file may grow while it is copied: more than was foretold leaves no time to tell.
      if (total !== null && total > bytes) parts.push(`${renderSeconds((total - bytes) / perSecond)} left`);
    }
    return `${this.label}  ${parts.join('  ')}`;
  }
}
