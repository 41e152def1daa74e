/**
 * One line on a terminal that says how far a long piece of work is: how much is done, the rate, the time left. Off a
 * terminal it says nothing; who reads a log afterwards wants the result, not the way there.
 */
import { renderBytes, renderCount, renderSeconds } from './render-figures.js';

/** Time between two drawings. */
const DRAW_MS = 100;
/** A terminal that does not say how wide it is says 0. */
const COLUMNS_ASSUMED = 80;
/** A rate measured over less says little about what is to come. */
const RATE_MS_MIN = 500;

export interface ProgressTerminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface Progress {
  /** What is being done. Under another label the rate is measured anew. */
  readonly label: string;
  readonly unit: 'bytes' | 'rows' | 'conflicts';
  readonly done: number;
  /** Null: not known. */
  readonly total: number | null;
}

export class ProgressLine {
  private label: string | null = null;
  private beganMs = 0;
  private drawnMs = Number.NEGATIVE_INFINITY;
  private isShown = false;

  /** @param terminal null: show nothing */
  constructor(
    private readonly terminal: ProgressTerminal | null,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  update(progress: Progress): void {
    const now = this.nowMs();
    if (progress.label !== this.label) {
      this.label = progress.label;
      this.beganMs = now;
    }
    if (this.terminal?.isTTY !== true || now - this.drawnMs < DRAW_MS) return;
    this.drawnMs = now;
    this.isShown = true;
    const line = render(progress, now - this.beganMs);
    this.terminal.write(`\r\u001b[K${line.slice(0, (this.terminal.columns || COLUMNS_ASSUMED) - 1)}`);
  }

  /** Takes the line away again. */
  clear(): void {
    if (this.isShown) this.terminal?.write('\r\u001b[K');
    this.isShown = false;
  }
}

function render({ label, unit, done, total }: Progress, elapsedMs: number): string {
  const amount = (count: number) => (unit === 'bytes' ? renderBytes(count) : renderCount(count, unit.slice(0, -1)));
  const parts = [label, total === null ? amount(done) : `${amount(done)} of ${amount(total)}`];
  if (elapsedMs >= RATE_MS_MIN && done > 0) {
    const perSecond = done / (elapsedMs / 1000);
    parts.push(`${amount(Math.round(perSecond))}/s`);
    // A file may grow while it is copied: more than was foretold leaves no time to tell.
    if (total !== null && total > done) parts.push(`${renderSeconds((total - done) / perSecond)} left`);
  }
  return parts.join('  ');
}
