/** What an operator should know of who belongs to the data set: pure, a part of find-problems.ts. */
import { renderBytes, renderCount, renderSeconds } from '../render-figures.js';
import { revokedBody } from '../replication/credential-table.js';
import type { ReplicaStatus } from '../replication/replica-status.js';
import { rejoinHint } from '../replication/staleness.js';
import { listenCommand, stepsToJoin } from './join-anew.js';
import type { DatabaseStatus, Finding, PeerStatus } from './status-report.js';

/** What of a replica's word is about membership. */
export type MembershipFacts = Pick<
  ReplicaStatus,
  'node' | 'memberships' | 'isReadOnly' | 'unsentRows' | 'backlogs' | 'mustJoin'
>;

/** Does this node belong, and does what is written here reach anybody? */
export function inMembership(facts: MembershipFacts | undefined): Finding[] {
  if (facts === undefined) return [];
  const { node, memberships } = facts;
  const self = memberships.find(({ isSelf }) => isSelf);
  if (self?.removedAtMs != null) {
    const message = `${node} has been removed from the data set: what is written here goes nowhere until it has rejoined`;
    const since = new Date(self.removedAtMs).toISOString();
    return [{ code: 'member-removed', severity: 'error', message, command: 'sqlsync rejoin', since }];
  }
  const revoked = memberships.filter(isRevokedMember).map(({ name }) => toRevoked(name));
  return [...revoked, ...inReader(node, self?.access ?? 'read', facts)];
}

function isRevokedMember({ isRevoked, isSelf, removedAtMs }: Holder): boolean {
  return isRevoked && !isSelf && removedAtMs === null;
}

function toRevoked(name: string): Finding {
  const message = `${name} is revoked, and nothing is exchanged with it; it still holds history back`;
  return { code: 'credential-revoked', severity: 'warning', message, command: `sqlsync members remove ${name}` };
}

function inReader(node: string, access: 'read' | 'write', { isReadOnly, unsentRows }: MembershipFacts): Finding[] {
  if (!isReadOnly || unsentRows === 0) return [];
  const rows = renderCount(unsentRows, 'row was', 'rows were');
  if (access === 'write') {
    const message = `${rows} written here while ${node} was read-only, and go to the others when it rejoins`;
    return [{ code: 'read-only-writes', severity: 'error', message, command: 'sqlsync rejoin' }];
  }
  const message = `${rows} written here, and nobody takes them: ${node} is a read-only member (on another node: sqlsync members set ${node} --access write; to give them up, here: sqlsync rejoin --discard-local)`;
  return [{ code: 'read-only-writes', severity: 'error', message, command: null }];
}

/** One of two nodes cannot go on with what it has; what the refusal advises tells which. */
export function inStaleLink({ name, lastError, lastContactAt: since }: PeerStatus, node: string): Finding {
  const code = lastError?.code === 'member-removed' ? 'member-removed' : 'stale';
  const why = lastError?.message ?? 'one side lacks what the other no longer keeps';
  const isHere = lastError === null || lastError.hint === null || lastError.hint === rejoinHint(node);
  const advice = isHere ? '' : ` (${lastError?.hint})`;
  const message = `nothing is exchanged with ${name}: ${why}${advice}`;
  // That another was removed was somebody's decision.
  const severity = code === 'member-removed' && !isHere ? 'warning' : 'error';
  return { code, severity, message, command: isHere ? 'sqlsync rejoin' : null, since };
}

/** Is it refused for no other reason than that it has not joined the data set which this node has begun? */
export function isLeftBehind({ name, lastError }: PeerStatus, facts: MembershipFacts | undefined): boolean {
  const isRefused = lastError?.code === 'dataset-mismatch' || lastError?.code === 'credential-unknown';
  return isRefused && facts?.mustJoin.includes(name) === true;
}

export function inLeftBehind(
  { name, lastError, lastContactAt: since }: PeerStatus,
  { path }: Pick<DatabaseStatus, 'path'>,
  { onlyDials }: { readonly onlyDials: readonly string[] | null },
): Finding {
  const listens = onlyDials === null;
  const steps = stepsToJoin([name], { path, listens }).join('; ');
  const message =
    `nothing is exchanged with ${name}: it is in the data set that this node left when it went back to a backup, and has to ` +
    `join anew (${steps}). If it never will: \`sqlsync peers remove ${name}\``;
  const command = listens ? `sqlsync invite ${name}` : listenCommand(path);
  return { code: lastError?.code ?? 'dataset-mismatch', severity: 'error', message, command, since };
}

/** Is a peer out of reach for no other reason than that somebody has revoked it? That is told of the member. */
export function isRevokedLink({ name, lastError }: PeerStatus): boolean {
  return lastError?.message === revokedBody(name).message;
}

/** Who keeps the history from going. */
export function inHistory(
  { retainedBytes }: DatabaseStatus,
  retainedBytesMax: number,
  membership: MembershipFacts | undefined,
  now: Date,
): Finding[] {
  if (retainedBytes === null || retainedBytes <= retainedBytesMax) return [];
  const holder = holderOf(membership);
  const why = holder === null ? 'no member holds it' : describeHolder(holder, membership?.backlogs[holder.name], now);
  const message = `${renderBytes(retainedBytes)} of history are kept: ${why}`;
  return [{ code: 'history-large', severity: 'warning', message, command: 'sqlsync prune' }];
}

type Holder = MembershipFacts['memberships'][number];

/** The member that lets the least of it go. */
function holderOf(membership: MembershipFacts | undefined): Holder | null {
  const others = (membership?.memberships ?? []).filter(({ holdsFromHlc }) => holdsFromHlc !== null);
  const [furthest] = others.sort((x, y) => (x.holdsFromHlc ?? 0) - (y.holdsFromHlc ?? 0));
  return furthest ?? null;
}

function describeHolder(
  { name, lastHeardMs }: Holder,
  backlog: MembershipFacts['backlogs'][string] | undefined,
  now: Date,
): string {
  const lacks = backlog?.changes ? `has not acknowledged ${renderCount(backlog.changes, 'change')}` : 'holds the most';
  if (lastHeardMs === null) return `${name} ${lacks}, and has never been heard of`;
  return `${name} ${lacks}, last heard of ${renderSeconds((now.getTime() - lastHeardMs) / 1000)} ago`;
}
