/** Why two nodes cannot exchange anything: the handshake's judgement, each side's own. Pure. */
import type { ErrorBody, ErrorCode } from '../errors.js';
import type { Member } from './member-table.js';
import { belonging, endOf } from './membership.js';
import { aheadSecondsOf, isOthersSession } from './peer-claims.js';
import { rejoinHint, type Standing, staleSide, standingOf } from './staleness.js';
import type { Hello } from './wire-messages.js';

export interface PeerFacts {
  /** How far a peer's clock, or a stamp it has seen, may be ahead of this node's clock. */
  readonly clockAheadSecondsMax: number;
  readonly mine: Hello;
  readonly standing: Standing;
  readonly peer: Hello;
  /** Every membership of the data set that this node knows of. */
  readonly members: readonly Member[];
  /** Why the peer's keys are good for nothing; null: they do not stand against it. */
  readonly revocation: ErrorBody | null;
}

function refusal(code: ErrorCode, message: string, hint: string): ErrorBody {
  return { code, message, hint };
}

function refusalForIdentity({ mine, peer, members, revocation }: PeerFacts): ErrorBody | null {
  if (peer.wireVersionMin > mine.wireVersion || peer.wireVersion < mine.wireVersionMin) {
    const speaks = `${peer.node} speaks wire versions ${peer.wireVersionMin} to ${peer.wireVersion}`;
    const here = `${mine.node} ${mine.wireVersionMin} to ${mine.wireVersion}`;
    return refusal('wire-version', `${speaks}, ${here}`, 'upgrade the older of the two');
  }
  if (peer.dataset !== mine.dataset) {
    return refusal(
      'dataset-mismatch',
      `${peer.node} holds data set ${peer.dataset}, ${mine.node} holds ${mine.dataset}: they were initialised apart`,
      `to make ${peer.node} a copy: on ${mine.node}, sqlsync invite ${peer.node}; on ${peer.node}, its daemon and application stopped, ` +
        'sqlsync join INVITE DB --replace; or the other way round',
    );
  }
  if (revocation !== null) return revocation;
  if (peer.node !== mine.node) return refusalForForgery(peer, members);
  const who = peer.nodeId === mine.nodeId ? 'this node itself, or a copy of its file' : 'another node';
  return refusal(
    'node-name-taken',
    `the peer calls itself ${peer.node}: that is ${who}`,
    'give every node a name of its own',
  );
}

/** Whoever uses what is another's: what it acknowledged would count in that one's name. */
function refusalForForgery({ node, nodeId, session }: Hello, members: readonly Member[]): ErrorBody | null {
  const owner = members.find((member) => member.nodeId === nodeId && member.name !== node);
  const hint = 'give every node a name and a file of its own';
  if (owner !== undefined) return refusal('node-name-taken', `the file of ${owner.name} speaks as ${node}`, hint);
  if (!isOthersSession(node, session)) return null;
  return refusal('batch-damaged', `${node} speaks under a session of another node: ${session}`, hint);
}

/**
 * Nobody who belongs no more is exchanged with, whatever the vectors say: the others may have let go of what it lacks, and
 * it of what they lack. A node id that is not known is that of a newcomer: its membership comes with what it ships.
 */
function refusalForMembership({ mine, peer, members }: PeerFacts): ErrorBody | null {
  return refusalForEnd(mine, members) ?? refusalForEnd(peer, members);
}

/** Why a node's membership is over, as an error's body; null: it is not. */
export function refusalForEnd(
  { node, nodeId }: Pick<Hello, 'node' | 'nodeId'>,
  members: readonly Member[],
): ErrorBody | null {
  const end = endOf(members, nodeId);
  if (end === null) return null;
  if (end.by.nodeId !== nodeId) {
    const message = `another node has joined under the name ${node} since`;
    const hint = `on ${node}: sqlsync rejoin; if both go on, sqlsync join URL DB --replace --node NEWNAME on one`;
    return refusal('node-name-taken', message, hint);
  }
  const hasReturned = belonging(members).some(({ name }) => name === node);
  const message = hasReturned
    ? `${node} has come back under another file; this is one from before`
    : `${node} has been removed from the data set`;
  return refusal('member-removed', message, rejoinHint(node));
}

/** A node that waits for the outcome of a change joins nothing, and ships what others could only throw away. */
function refusalForRuleChange({ mine, peer }: PeerFacts): ErrorBody | null {
  const who = mine.ruleChange !== null ? mine.node : peer.ruleChange !== null ? peer.node : null;
  if (who === null) return null;
  return refusal(
    'rules-changing',
    `${who} takes part in a change of the rules`,
    `it ends by itself; if it does not: sqlsync status on ${who}`,
  );
}

function refusalForShape({ mine, peer }: PeerFacts): ErrorBody | null {
  if (peer.encoding !== mine.encoding) {
    return refusal(
      'encoding-differs',
      `${peer.node} keeps text as ${peer.encoding}, ${mine.node} as ${mine.encoding}`,
      'join again',
    );
  }
  if (peer.rulesHash !== mine.rulesHash) {
    return refusal(
      'rules-differ',
      `${peer.node} and ${mine.node} go by different rules`,
      'compare: sqlsync rules; the one that others differ from has to join again: sqlsync join URL DB --replace --node NEWNAME',
    );
  }
  return null;
}

function refusalForClock({ mine, peer, clockAheadSecondsMax }: PeerFacts): ErrorBody | null {
  const ownAhead = Math.round((peer.clockMs - mine.clockMs) / 1000);
  const aheadSeconds = Math.max(ownAhead, aheadSecondsOf(peer, mine.clockMs));
  if (aheadSeconds <= clockAheadSecondsMax) return null;
  return refusal(
    'clock-ahead',
    `the clock of ${peer.node}, or of a node it heard from, is ${aheadSeconds} s ahead of ${mine.node}’s`,
    `set the clocks right; at most ${clockAheadSecondsMax} s are taken (limits.clockAheadSecondsMax)`,
  );
}

function refusalForStaleness({ standing, mine, peer }: PeerFacts): ErrorBody | null {
  const side = staleSide(standing, standingOf(peer));
  if (side === null) return null;
  const who = side === 'here' ? mine.node : peer.node;
  return refusal('stale', `${who} lacks changes that the others no longer keep`, rejoinHint(who));
}

/** The first reason found; null when there is none. */
export function refusalOf(facts: PeerFacts): ErrorBody | null {
  return (
    refusalForIdentity(facts) ??
    refusalForMembership(facts) ??
    refusalForRuleChange(facts) ??
    refusalForShape(facts) ??
    refusalForClock(facts) ??
    refusalForStaleness(facts)
  );
}

/** Only members have a say in the rules: the first reason why this peer has none; null when it has. */
export function refusalOfStranger(facts: PeerFacts): ErrorBody | null {
  const { mine, peer, members } = facts;
  const refused = refusalForIdentity(facts) ?? refusalForMembership(facts);
  if (refused !== null || members.some(({ nodeId }) => nodeId === peer.nodeId)) return refused;
  return refusal('peer-refused', `${mine.node} knows no member ${peer.node}`, 'exchange with it first: sqlsync sync');
}
