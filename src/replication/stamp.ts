/**
 * A stamp names one write: when (HLC) and by which session. It orders writes totally, and it is the write's dot.
 * What a stamp that has travelled stands for never changes.
 */
export interface Stamp {
  readonly hlc: number;
  readonly session: string;
}

/**
 * The session that stands for every write below the horizon: a settled row's stamps are told apart no more.
 * It sorts after every session name, since those begin with a letter or a digit.
 */
export const SETTLED_SESSION = '~';

/** Total order of stamps: is `x` later than `y`? */
export function isAfter(x: Stamp, y: Stamp): boolean {
  return x.hlc !== y.hlc ? x.hlc > y.hlc : x.session > y.session;
}

export function laterStamp(x: Stamp, y: Stamp): Stamp {
  return isAfter(y, x) ? y : x;
}

/** How a stamp is written down: `hlc@session`. */
export function stampText({ hlc, session }: Stamp): string {
  return `${hlc}@${session}`;
}

/** Reads what stampText wrote. */
export function parseStamp(text: string): Stamp {
  const at = text.indexOf('@');
  return { hlc: Number(text.slice(0, at)), session: text.slice(at + 1) };
}

/** The life of a row of which nothing is recorded: settled, up to this horizon. */
export function settledStamp(horizon: number): Stamp {
  return { hlc: horizon, session: SETTLED_SESSION };
}

/** Do two rows live (or lie dead) by the same life? A settled life stands for every life up to its horizon. */
export function isSameLife(x: Stamp, y: Stamp): boolean {
  return (
    (x.hlc === y.hlc && x.session === y.session) ||
    (x.session === SETTLED_SESSION && y.hlc <= x.hlc) ||
    (y.session === SETTLED_SESSION && x.hlc <= y.hlc)
  );
}
