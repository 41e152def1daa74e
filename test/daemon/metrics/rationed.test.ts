import { expect, test } from 'vitest';
import { Rationed } from '../../../src/daemon/metrics/rationed.js';

test('a reading is good for twenty times as long as it took, and never runs twice at once', async () => {
  let nowMs = 0;
  let readings = 0;
  const rationed = new Rationed(
    async () => {
      readings += 1;
      return { value: readings, busyMs: 100 };
    },
    () => nowMs,
  );
  expect(await Promise.all([rationed.get(), rationed.get()])).toEqual([1, 1]);
  nowMs = 1_999;
  expect(await rationed.get()).toBe(1);
  nowMs = 2_000;
  expect(await rationed.get()).toBe(2);
});

test('a reading that fails is told, and tried again by the next who asks', async () => {
  let isBroken = true;
  const rationed = new Rationed(async () => {
    if (isBroken) throw new Error('locked');
    return { value: 'read', busyMs: 1 };
  });
  await expect(rationed.get()).rejects.toThrow('locked');
  isBroken = false;
  expect(await rationed.get()).toBe('read');
});
