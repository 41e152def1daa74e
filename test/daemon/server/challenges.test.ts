import { expect, test } from 'vitest';
import { Challenges } from '../../../src/daemon/server/challenges.js';

const HOUR_MS = 3_600_000;

test('a proof is good once, for the challenge of now and the one before, and what is kept of them is bounded', () => {
  let nowMs = 0;
  const challenges = new Challenges(() => nowMs);
  const first = challenges.challenge;
  expect(challenges.use({ challenge: first, nonce: 'a' })).toBe('fresh');
  expect(challenges.use({ challenge: first, nonce: 'a' })).toBe('replayed');
  expect(challenges.use({ challenge: 'another', nonce: 'b' })).toBe('outdated');
  nowMs = HOUR_MS;
  const second = challenges.challenge;
  expect(second).not.toBe(first);
  expect(challenges.use({ challenge: first, nonce: 'b' })).toBe('fresh');
  expect(challenges.use({ challenge: first, nonce: 'a' })).toBe('replayed');
  nowMs = 2 * HOUR_MS;
  expect(challenges.use({ challenge: first, nonce: 'c' })).toBe('outdated');
  expect(challenges.use({ challenge: second, nonce: 'a' })).toBe('fresh');

  const busy = challenges.challenge;
  for (let i = 0; i < 20_000; i += 1) expect(challenges.use({ challenge: busy, nonce: String(i) })).toBe('fresh');
  expect(challenges.challenge).not.toBe(busy);
  // Whoever stays with the one before makes it pass in the end.
  for (let i = 20_000; i < 40_000; i += 1) expect(challenges.use({ challenge: busy, nonce: String(i) })).toBe('fresh');
  expect(challenges.use({ challenge: busy, nonce: '0' })).toBe('outdated');
});
