/** Tables of which writes may have gone unrecorded, as it is written down in the file until somebody has compared them. */

/** Stored as JSON. */
export interface CaptureGap {
  /** Unix milliseconds: when it was found. */
  readonly since: number;
  /** The tables concerned. */
  readonly tables: readonly string[];
}

/** The gap with more tables in it: it began when it was first found. */
export function widenGap(stored: string, tables: readonly string[], nowMs: number): string {
  const gap = stored === '' ? { since: nowMs, tables: [] } : (JSON.parse(stored) as CaptureGap);
  const all = [...new Set([...gap.tables, ...tables])].sort();
  return JSON.stringify({ since: gap.since, tables: all } satisfies CaptureGap);
}

/** The gap without these tables: what does not replicate is not compared. */
export function narrowGap(stored: string, names: ReadonlySet<string>): string {
  if (stored === '') return stored;
  const { since, tables } = JSON.parse(stored) as CaptureGap;
  const left = tables.filter((name) => !names.has(name));
  return left.length === 0 ? '' : JSON.stringify({ since, tables: left } satisfies CaptureGap);
}

/** The tables that a gap names. */
export function tablesOfGap(stored: string): ReadonlySet<string> {
  return new Set(stored === '' ? [] : (JSON.parse(stored) as CaptureGap).tables);
}
