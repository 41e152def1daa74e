/** Two processes that speak in one node's name, told from one that has been started again. */
import { expect, test } from 'vitest';
import { PeerSessions } from '../../../src/daemon/peer/peer-sessions.js';

const MINUTE = 60_000;

test('a process that is started again and again is one process', () => {
  const sessions = new PeerSessions();
  const heard = ['a', 'a', null, 'b', 'b', null, 'c'].map((session, i) => sessions.hear(session, i));
  expect(new Set(heard)).toEqual(new Set(['alone']));
});

test('a session that speaks again after another has spoken belongs to a second process', () => {
  const sessions = new PeerSessions();
  expect([sessions.hear('a', 0), sessions.hear('b', 1), sessions.hear('a', 2)]).toEqual([
    'alone',
    'alone',
    'one of two',
  ]);
  expect(sessions.hear('a', MINUTE)).toBe('one of two');
});

test('whichever goes on alone is heard again after a while', () => {
  const sessions = new PeerSessions();
  for (const [i, session] of ['a', 'b', 'a'].entries()) sessions.hear(session, i);
  expect(sessions.hear('a', MINUTE)).toBe('one of two');
  expect(sessions.hear('a', 3 * MINUTE)).toBe('alone');
  expect(sessions.hear('b', 3 * MINUTE + 1)).toBe('one of two');
  expect(sessions.hear('a', 3 * MINUTE + 2)).toBe('one of two');
  expect(sessions.hear(null, 4 * MINUTE)).toBe('one of two');
  expect(sessions.hear('a', 6 * MINUTE)).toBe('alone');
});
