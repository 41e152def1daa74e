/**
 * One AbortSignal for all that can end a command early: `--timeout`, SIGINT, SIGTERM, a reader of stdout that has left.
 *
 * Whoever asks for the signal promises to stop by it. As long as nobody has asked, a cancelled command is given up at
 * once, and so it is at the second request of an impatient operator.
 */
import { formatDuration } from './duration.js';
import { SqlsyncError } from './errors.js';

/** setTimeout's longest delay, 24 days: a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Why a command stops whose output nobody reads: no failure, and nobody is there to read of it. */
export const OUTPUT_CLOSED = new SqlsyncError('interrupted', 'nobody reads the output');

export class Cancellation {
  readonly #controller = new AbortController();
  readonly #giveUp: (error: SqlsyncError) => void;
  readonly #onSignal = () => this.#cancel(new SqlsyncError('interrupted', 'interrupted'));
  #asked = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param giveUp reports the error and ends the process */
  constructor(giveUp: (error: SqlsyncError) => void) {
    this.#giveUp = giveUp;
  }

  get signal(): AbortSignal {
    this.#asked = true;
    return this.#controller.signal;
  }

  /** What ended the command early; null: nothing. */
  get reason(): SqlsyncError | null {
    return this.#controller.signal.aborted ? (this.#controller.signal.reason as SqlsyncError) : null;
  }

  watchSignals(): void {
    for (const name of STOP_SIGNALS) process.on(name, this.#onSignal);
  }

  watchTimeout(timeoutMs: number): void {
    const message = `not done after ${formatDuration(timeoutMs)}`;
    const error = new SqlsyncError('timed-out', message, { hint: 'Give it a longer --timeout.' });
    this.#timer = setTimeout(() => this.#cancel(error), Math.min(timeoutMs, TIMER_MS_MAX));
    // A command that is done leaves; it does not wait for its own deadline.
    this.#timer.unref();
  }

  /** Nobody reads stdout any more: stops who can stop, and lets others finish their work. */
  stopOutput(): void {
    if (this.#asked) this.#controller.abort(OUTPUT_CLOSED);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const name of STOP_SIGNALS) process.off(name, this.#onSignal);
  }

  #cancel(error: SqlsyncError): void {
    if (this.#asked && !this.#controller.signal.aborted) this.#controller.abort(error);
    else this.#giveUp(error);
  }
}
