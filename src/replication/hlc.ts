/**
 * Hybrid logical clocks (Kulkarni et al., 2014) packed into one integer: milliseconds of Unix time times 2048.
 * What is left below a millisecond counts events within it; a busy millisecond overflows into the next.
 * A safe integer until the year 2109, so plain numbers hold it.
 */

/** Events that fit into one millisecond before the clock runs ahead of the wall. */
export const HLC_PER_MS = 2048;

/** The SQL expression by which a trigger, in any application's SQLite since 3.35, takes the wall's part of an HLC. */
export const SQL_WALL_HLC = `CAST((julianday('now')-2440587.5)*86400000.0+0.5 AS INTEGER)*${HLC_PER_MS}`;

/** The HLC of an event at `nowMs` (Unix milliseconds) on a node whose last one was `last`: strictly higher than `last`. */
export function nextHlc(last: number, nowMs: number): number {
  return Math.max(last + 1, nowMs * HLC_PER_MS);
}

/** Unix milliseconds of an HLC. */
export function hlcToMs(hlc: number): number {
  return Math.floor(hlc / HLC_PER_MS);
}
