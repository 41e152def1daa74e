import { describe, expect, test } from 'vitest';
import type { Member } from '../../src/replication/member-table.js';
import { belonging, counted, endOf, type MembershipFacts } from '../../src/replication/membership.js';
import type { Stamp } from '../../src/replication/stamp.js';

const member = (name: string, nodeId: string, change: Partial<Member> = {}): Member => ({
  name,
  nodeId,
  access: 'write',
  joinedAtMs: 1,
  removedAtMs: null,
  ...change,
});
const names = (members: readonly { readonly nodeId: string }[]) => members.map(({ nodeId }) => nodeId).join(' ');

describe('who belongs', () => {
  test('a member that has been removed does not, and one that has come back does, under its new file', () => {
    const before = member('lyon', 'l1', { removedAtMs: 5 });
    const after = member('lyon', 'l2', { joinedAtMs: 6 });
    expect(names(belonging([member('paris', 'p1'), before]))).toBe('p1');
    expect(names(belonging([member('paris', 'p1'), before, after]))).toBe('p1 l2');
    expect(endOf([before, after], 'l1')?.by).toBe(before);
    expect(endOf([before, after], 'l2')).toBeNull();
    expect(endOf([before, after], 'nobody')).toBeNull();
  });

  test('of two that have joined under one name the later does, whoever hears of them in which order', () => {
    const first = member('lyon', 'l1', { joinedAtMs: 4 });
    const second = member('lyon', 'l2', { joinedAtMs: 5 });
    for (const members of [
      [first, second],
      [second, first],
    ]) {
      expect(names(belonging(members))).toBe('l2');
      expect(endOf(members, 'l1')?.by).toBe(second);
    }
  });
});

describe('whose word counts', () => {
  const stamp: Stamp = { hlc: 100, session: 'paris.0123456789abcdef@0' };
  const facts = (members: readonly Member[], acknowledged: readonly string[], isSettled = false): MembershipFacts => ({
    members,
    self: 'p1',
    stampOf: () => (isSettled ? null : stamp),
    hasAcknowledged: (nodeId) => acknowledged.includes(nodeId),
  });
  const all = [
    member('paris', 'p1'),
    member('lyon', 'l1', { removedAtMs: 5 }),
    member('metz', 'm1'),
    member('nice', 'n1'),
  ];

  test('that of a removed member does until all that remain have acknowledged its removal', () => {
    expect(names(counted(facts(all, [])))).toBe('p1 l1 m1 n1');
    expect(names(counted(facts(all, ['m1'])))).toBe('p1 l1 m1 n1');
    // What it says itself is not asked for, nor what this node says.
    expect(names(counted(facts(all, ['m1', 'n1'])))).toBe('p1 m1 n1');
    expect(names(counted(facts(all, [], true)))).toBe('p1 m1 n1');
  });

  test('two that are gone do not wait for each other', () => {
    const gone = all.map((one) => (one.nodeId === 'm1' ? { ...one, removedAtMs: 6 } : one));
    expect(names(counted(facts(gone, ['n1'])))).toBe('p1 n1');
  });
});
