import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Presence } from '../../../src/daemon/database/presence.js';
import { makeFolder } from '../../support/make-folder.js';

const HOUR_MS = 3_600_000;
const START_MS = 1_790_000_000_000;

test('a node has been listening since it was last off, or asleep, for long', () => {
  const side = { presencePath: join(makeFolder(), 'presence.json') };
  let nowMs = START_MS;
  const open = () => new Presence(side, 30 * 24 * HOUR_MS, () => nowMs);
  let presence = open();
  const after = (hours: number) => {
    nowMs += hours * HOUR_MS;
    return (presence.sinceMs - START_MS) / HOUR_MS;
  };
  expect([after(1), after(1), after(2)]).toEqual([0, 0, 0]);
  // A restart is no break.
  presence = open();
  expect(after(1)).toBe(0);
  presence = open();
  expect(after(10)).toBe(15);
  expect(after(1)).toBe(15);
  // A clock that is set back, and one that jumps ahead.
  expect(after(-5)).toBe(11);
  expect(after(100)).toBe(111);
  presence = open();
  expect(after(1)).toBe(111);
});
