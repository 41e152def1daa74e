import { expect, test } from 'vitest';
import {
  inHistory,
  inMembership,
  inStaleLink,
  isRevokedLink,
  type MembershipFacts,
} from '../../src/operations/find-membership-problems.js';
import type { DatabaseStatus, PeerStatus } from '../../src/operations/status-report.js';
import { revokedBody } from '../../src/replication/credential-table.js';
import type { MemberFigures } from '../../src/replication/member-figures.js';

const NOW = new Date('2026-01-20T12:00:00Z');
const member = (name: string, change: Partial<MemberFigures> = {}): MemberFigures => ({
  name,
  nodeId: name,
  access: 'write',
  joinedAtMs: 0,
  removedAtMs: null,
  isSelf: false,
  isRevoked: false,
  isCounted: true,
  lastHeardMs: NOW.getTime() - 9 * 86_400_000,
  holdsFromHlc: 5,
  ...change,
});
const SELF = member('paris', { isSelf: true, lastHeardMs: null, holdsFromHlc: null });
const facts = (change: Partial<MembershipFacts> = {}): MembershipFacts => ({
  node: 'paris',
  memberships: [SELF],
  isReadOnly: false,
  unsentRows: 0,
  backlogs: {},
  mustJoin: [],
  ...change,
});

test('a node that has been removed is told so, and what to type', () => {
  expect(inMembership(undefined)).toEqual([]);
  expect(inMembership(facts())).toEqual([]);
  const removed = facts({ memberships: [{ ...SELF, removedAtMs: NOW.getTime() }] });
  expect(inMembership(removed)).toMatchObject([
    { code: 'member-removed', severity: 'error', command: 'sqlsync rejoin', since: '2026-01-20T12:00:00.000Z' },
  ]);
});

test('what is written on a read-only member is a problem, since nobody takes it', () => {
  const readOnly = (access: 'read' | 'write', unsentRows: number) =>
    inMembership(facts({ isReadOnly: true, unsentRows, memberships: [{ ...SELF, access }] }));
  expect(readOnly('read', 0)).toEqual([]);
  expect(readOnly('read', 2)).toMatchObject([
    {
      code: 'read-only-writes',
      message: expect.stringMatching(/^2 rows .*members set paris --access write/),
      command: null,
    },
  ]);
  expect(readOnly('write', 1)).toMatchObject([
    { message: expect.stringMatching(/^1 row /), command: 'sqlsync rejoin' },
  ]);
});

test('a member that is revoked is named until it is removed, and its link is no further problem', () => {
  const lyon = member('lyon', { isRevoked: true });
  expect(inMembership(facts({ memberships: [SELF, lyon] }))).toMatchObject([
    { code: 'credential-revoked', severity: 'warning', command: 'sqlsync members remove lyon' },
  ]);
  expect(inMembership(facts({ memberships: [SELF, { ...lyon, removedAtMs: 1 }] }))).toEqual([]);
  const link = (name: string) => isRevokedLink({ name, lastError: revokedBody('lyon') } as PeerStatus);
  expect([link('lyon'), link('paris')]).toEqual([true, false]);
});

test('of two nodes the one that has to rejoin is told to', () => {
  const peer = (code: 'stale' | 'member-removed', hint: string) =>
    inStaleLink({ name: 'lyon', lastContactAt: null, lastError: { code, message: 'm', hint } } as PeerStatus, 'paris');
  expect(peer('stale', 'on paris: sqlsync rejoin')).toMatchObject({ severity: 'error', command: 'sqlsync rejoin' });
  expect(peer('member-removed', 'on paris: sqlsync rejoin')).toMatchObject({
    code: 'member-removed',
    severity: 'error',
  });
  expect(peer('stale', 'on lyon: sqlsync rejoin')).toMatchObject({
    severity: 'error',
    message: expect.stringContaining('(on lyon: sqlsync rejoin)'),
    command: null,
  });
  expect(peer('member-removed', 'on lyon: sqlsync rejoin')).toMatchObject({ severity: 'warning', command: null });
});

test('a history that is too large names who holds the most of it', () => {
  const database = { retainedBytes: 3 * 1024 ** 2 } as DatabaseStatus;
  const holders = facts({
    memberships: [SELF, member('lyon', { holdsFromHlc: 7 }), member('metz', { holdsFromHlc: 3 })],
    backlogs: { metz: { changes: 12_345, oldestHlc: 1, isAhead: false } },
  });
  expect(inHistory(database, 4 * 1024 ** 2, holders, NOW)).toEqual([]);
  expect(inHistory(database, 1024 ** 2, holders, NOW)).toEqual([
    {
      code: 'history-large',
      severity: 'warning',
      message: '3.0 MiB of history are kept: metz has not acknowledged 12,345 changes, last heard of 9 d ago',
      command: 'sqlsync prune',
    },
  ]);
  expect(inHistory(database, 1024 ** 2, facts(), NOW)[0]?.message).toBe(
    '3.0 MiB of history are kept: no member holds it',
  );
});
