/**
 * A reading that takes a while in a large file, and that anybody may ask for at any time: it never runs twice at once, and
 * no more than a small share of the time goes into it. Whoever asks in between gets the last one.
 */

/** So many times as long as a reading has kept this process busy it is good for: one part in twenty-one at most. */
const REST_FACTOR = 20;

export interface Reading<Value> {
  readonly value: Value;
  /** How long it has kept this process from other work. */
  readonly busyMs: number;
}

export class Rationed<Value> {
  private running: Promise<Value> | null = null;
  private last: { readonly value: Value; readonly goodUntilMs: number } | null = null;

  constructor(
    private readonly read: () => Promise<Reading<Value>>,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** Throws what the reading throws; the next asker begins a new one. */
  get(): Promise<Value> {
    if (this.running !== null) return this.running;
    if (this.last !== null && this.nowMs() < this.last.goodUntilMs) return Promise.resolve(this.last.value);
    this.running = this.readNow().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  private async readNow(): Promise<Value> {
    const { value, busyMs } = await this.read();
    this.last = { value, goodUntilMs: this.nowMs() + REST_FACTOR * busyMs };
    return value;
  }
}
