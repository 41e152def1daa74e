/**
 * From symptom to cause to command: which of a status's problems come of which others, what each cause means, and what to
 * do about it. Pure.
 */
import { ERROR_WORDS, type Words } from '../error-words.js';
import type { ErrorCode } from '../errors.js';
import { PROBLEM_WORDS } from '../problem-words.js';
import type { NodeStatus, Problem } from './status-report.js';

/** A problem that comes of no other here. */
export interface Cause extends Problem {
  /** What the code means, and what is to be done. */
  readonly meaning: string;
  readonly remedy: string;
  /** Problems that go when this one does. */
  readonly alsoSeen: readonly Problem[];
}

export interface Explanation {
  readonly node: string;
  readonly healthy: boolean;
  /** Errors first, then warnings. */
  readonly causes: readonly Cause[];
}

/** As long as one of these lasts nothing crosses a link, or nothing can be done with a database. */
const HOLDS_UP_LINK: readonly ErrorCode[] = [
  'stale',
  'member-removed',
  'peer-unreachable',
  'peer-timeout',
  'peer-wrong-secret',
  'peer-refused',
  'peer-certificate',
  'credential-unknown',
  'credential-revoked',
  'peer-failed',
  'peer-paused',
  'clock-ahead',
  'rules-differ',
  'encoding-differs',
  'node-name-taken',
  'dataset-mismatch',
  'wire-version',
];
const HOLDS_UP_DATABASE: readonly ErrorCode[] = [
  'daemon-down',
  'database-missing',
  'database-replaced',
  'database-not-initialised',
  'database-damaged',
  'database-permission',
  'database-read-only',
  'database-locked',
  'format-older',
  'disk-full',
  'disk-io',
  'disk-low',
  'identity-unknown',
  'migrating',
  'catching-up',
  'rules-changing',
];

/** Symptom → what may be behind it, the likeliest first. */
const BEHIND: Partial<Readonly<Record<ErrorCode, readonly ErrorCode[]>>> = {
  'peer-lag': [...HOLDS_UP_DATABASE, ...HOLDS_UP_LINK],
  'peer-unreachable': ['migrating', 'database-missing', 'database-replaced', 'database-damaged', 'identity-unknown'],
  'coverage-unknown': [...HOLDS_UP_DATABASE, ...HOLDS_UP_LINK],
  'verify-old': [...HOLDS_UP_DATABASE, ...HOLDS_UP_LINK],
  'nodes-differ': ['coverage-partial', 'coverage-unknown', 'changes-quarantined', 'schema-differs'],
  'changes-quarantined': ['schema-differs'],
  'history-large': [...HOLDS_UP_DATABASE, ...HOLDS_UP_LINK],
  'backup-old': ['job-failed', ...HOLDS_UP_DATABASE],
  'job-failed': HOLDS_UP_DATABASE,
  'disk-full': ['disk-low'],
  'disk-low': ['history-large'],
};

/** Problems of a whole node, or of one database without a peer, reach to every peer of it. */
function reaches(cause: Problem, symptom: Problem): boolean {
  const sameDatabase = cause.database === null || cause.database === symptom.database;
  // A database's own symptom may come of any of its peers.
  return sameDatabase && (cause.peer === null || symptom.peer === null || cause.peer === symptom.peer);
}

function causeOf(symptom: Problem, problems: readonly Problem[]): Problem | null {
  for (const code of BEHIND[symptom.code] ?? []) {
    const found = problems.find((other) => other.code === code && other !== symptom && reaches(other, symptom));
    if (found !== undefined) return found;
  }
  return null;
}

/** The problem at the beginning of the chain. A chain that runs in a circle ends where it began. */
function rootOf(symptom: Problem, problems: readonly Problem[]): Problem {
  const seen = new Set<Problem>([symptom]);
  for (let at = symptom; ; ) {
    const next = causeOf(at, problems);
    if (next === null) return at;
    if (seen.has(next)) return symptom;
    seen.add(next);
    at = next;
  }
}

export function explainStatus({ node, healthy, problems }: NodeStatus): Explanation {
  const seenBecause = new Map<Problem, Problem[]>();
  for (const problem of problems) {
    const root = rootOf(problem, problems);
    const symptoms = seenBecause.get(root) ?? [];
    if (root !== problem) symptoms.push(problem);
    seenBecause.set(root, symptoms);
  }
  const causes = [...seenBecause].map(([root, alsoSeen]) => ({ ...root, ...wordsOf(root.code), alsoSeen }));
  return { node, healthy, causes: causes.sort((x, y) => gravityOf(x) - gravityOf(y)) };
}

/** A warning behind an error is as grave as that. */
function gravityOf({ severity, alsoSeen }: Cause): number {
  return severity === 'error' || alsoSeen.some((problem) => problem.severity === 'error') ? 0 : 1;
}

function wordsOf(code: ErrorCode): Words {
  return { ...ERROR_WORDS, ...PROBLEM_WORDS }[code];
}
