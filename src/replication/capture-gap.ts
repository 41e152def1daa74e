/** Tables of which writes may have gone unrecorded, as it is written down in the file until somebody has compared them. */

/** What a member had: all up to its horizon, and of each session all up to its entry. */
export interface Acknowledged {
  readonly vector: Readonly<Record<string, number>>;
  readonly horizon: number;
}

/** Stored as JSON. */
export interface CaptureGap {
  /** Unix milliseconds: when it was found. */
  readonly since: number;
  /** The tables concerned. */
  readonly tables: readonly string[];
  /** Writes with later log entries of this node came when all triggers were back. Absent: nobody has noted it yet. */
  readonly seenFrom?: number;
  /** What other members had acknowledged when it was found first, by node id. Absent: nobody has noted it. */
  readonly had?: Readonly<Record<string, Acknowledged>>;
  /** More was written over meanwhile than is kept until the gap is closed: the rest goes into records at once. */
  readonly isFull?: true;
}

/** The gap that a node's state tells of; null: none is known. */
export function parseGap(stored: string): CaptureGap | null {
  return stored === '' ? null : (JSON.parse(stored) as CaptureGap);
}

/** The gap with more tables in it: it began when it was first found. */
export function widenGap(stored: string, tables: readonly string[], nowMs: number): string {
  const { since, tables: before, had } = parseGap(stored) ?? { since: nowMs, tables: [] };
  const all = [...new Set([...before, ...tables])].sort();
  return JSON.stringify({ since, tables: all, ...(had === undefined ? {} : { had }) } satisfies CaptureGap);
}

/** The gap without these tables: what does not replicate is not compared. */
export function narrowGap(stored: string, names: ReadonlySet<string>): string {
  const gap = parseGap(stored);
  if (gap === null) return stored;
  const left = gap.tables.filter((name) => !names.has(name));
  return left.length === 0 ? '' : JSON.stringify({ ...gap, tables: left } satisfies CaptureGap);
}
