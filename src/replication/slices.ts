/** Work in slices: a generator that stops after each. Whoever drives it decides what happens in between. */
export type Slices<Result> = Generator<void, Result>;

/** Does it all in one go. */
export function allAtOnce<Result>(work: Slices<Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
