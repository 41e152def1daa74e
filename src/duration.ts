/** Durations as people write them: `500ms`, `30s`, `15m`, `6h`, `7d`, and sums of them (`1h30m`). */

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const DURATION_PATTERN = /^(?:\d{1,15}(?:ms|s|m|h|d))+$/;

/** Milliseconds of a duration; null when the text is none. */
export function parseDurationMs(text: string): number | null {
  if (!DURATION_PATTERN.test(text)) return null;
  let totalMs = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g))
    totalMs += Number(count) * (UNIT_MS[unit ?? ''] ?? 0);
  return Number.isSafeInteger(totalMs) ? totalMs : null;
}

/** The shortest exact spelling in one unit: 90000 → `90s`, 604800000 → `7d`, 0 → `0s`. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return '0s';
  const units = Object.entries(UNIT_MS).reverse();
  const [unit, unitMs] = units.find(([, ms]) => durationMs % ms === 0) ?? ['ms', 1];
  return `${durationMs / unitMs}${unit}`;
}
