/** How the last comparisons with other nodes ended. Kept in the file, so that an older copy of it claims no more than it may. */
import type { Engine } from './engine.js';

export interface LastVerification {
  /** Unix milliseconds: when all tables were last compared, and whatever came of it was known; null: never. */
  readonly atMs: number | null;
  /** When they were last found equal; null: never. */
  readonly equalAtMs: number | null;
  /** Rows that were last found to differ. */
  readonly differences: number;
}

/** By the name of the other node. Stored as JSON. */
export type VerifiedPeers = Readonly<Record<string, LastVerification>>;

const NEVER: LastVerification = { atMs: null, equalAtMs: null, differences: 0 };

export function verifiedPeersOf(text: string | undefined): VerifiedPeers {
  return text === undefined || text === '' ? {} : (JSON.parse(text) as VerifiedPeers);
}

/** @param isWhole all tables were compared. That some are equal says nothing of the others; that some differ does. */
export function noteVerification(engine: Engine, peer: string, differences: number, isWhole: boolean): void {
  const known = verifiedPeersOf(engine.state.get('verified'));
  const last = known[peer] ?? NEVER;
  if (differences === 0 && !isWhole) return;
  const nowMs = engine.clock.nowMs();
  const equalAtMs = differences === 0 ? nowMs : last.equalAtMs;
  const next: LastVerification = { atMs: isWhole ? nowMs : last.atMs, equalAtMs, differences };
  engine.writeTransaction(() => engine.state.set('verified', JSON.stringify({ ...known, [peer]: next })));
}
