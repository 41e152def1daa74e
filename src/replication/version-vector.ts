/**
 * Version vectors (Parker et al., 1983) over sessions: session name → highest HLC of which everything is here.
 * A session has written nothing before its birth, which its name carries (`node.random@birth`), so an absent entry
 * counts as that birth.
 */
import { SETTLED_SESSION, type Stamp } from './stamp.js';

export type VersionVector = ReadonlyMap<string, number>;

/** Makes the name of a session: a process that folds writes. `birth` is the HLC of the last entry folded before its first. */
export function sessionName(node: string, random: string, birth: number): string {
  return `${node}.${random}@${birth}`;
}

const SESSION_PATTERN = /^([a-zA-Z0-9][a-zA-Z0-9_-]{0,62})\.([0-9a-f]{16})@(\d{1,16})$/;

/** Is this text a session name? Everything received is checked with it. */
export function isSessionName(text: string): boolean {
  return SESSION_PATTERN.test(text);
}

/** The HLC before which a session has written nothing; 0 for the settled session. */
export function birthOf(session: string): number {
  const at = session.lastIndexOf('@');
  return at < 0 ? 0 : Number(session.slice(at + 1));
}

/** The node a session belongs to; '' for the settled session. */
export function nodeOf(session: string): string {
  const dot = session.indexOf('.');
  return dot < 0 ? '' : session.slice(0, dot);
}

/** What the vector has of a session. */
export function entryOf(vector: VersionVector, session: string): number {
  return vector.get(session) ?? birthOf(session);
}

/** Has whoever holds `vector` seen the write `stamp`? */
export function knows(vector: VersionVector, stamp: Stamp): boolean {
  return stamp.session === SETTLED_SESSION ? stamp.hlc === 0 : entryOf(vector, stamp.session) >= stamp.hlc;
}

/** Is everything of `inner` within `outer`, where all up to `horizon` counts as within? */
export function isWithin(inner: VersionVector, outer: VersionVector, horizon = 0): boolean {
  for (const [session, hlc] of inner) if (hlc > horizon && entryOf(outer, session) < hlc) return false;
  return true;
}

/** The least vector that covers both. */
export function union(x: VersionVector, y: VersionVector): Map<string, number> {
  const result = new Map(x);
  for (const [session, hlc] of y) {
    const has = result.get(session);
    if (has === undefined || has < hlc) result.set(session, hlc);
  }
  return result;
}

/** The highest HLC in the vector; 0 for an empty one. */
export function highestHlc(vector: VersionVector): number {
  let highest = 0;
  for (const hlc of vector.values()) if (hlc > highest) highest = hlc;
  return highest;
}

export function vectorFromJson(entries: Readonly<Record<string, number>>): Map<string, number> {
  return new Map(Object.entries(entries));
}
