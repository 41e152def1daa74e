import { expect, test } from 'vitest';
import { runSlices } from '../../../src/daemon/database/run-slices.js';

/** A file whose lock is not to be had at first: it tries the same piece of work again, as LockedFile does. */
const file = {
  async run<Result>(attempt: () => Result): Promise<Result> {
    for (;;) {
      try {
        return attempt();
      } catch (error) {
        if ((error as Error).message !== 'locked') throw error;
      }
    }
  },
};

test('others have their turn between two slices', async () => {
  const order: string[] = [];
  function* read() {
    for (const slice of ['first', 'second', 'third']) {
      order.push(slice);
      setImmediate(() => order.push('somebody else'));
      yield;
    }
    return order.length;
  }
  const { value, busyMs } = await runSlices(file, read);
  expect(order).toEqual(['first', 'somebody else', 'second', 'somebody else', 'third', 'somebody else']);
  expect(value).toBe(6);
  expect(busyMs).toBeGreaterThanOrEqual(0);
});

test('a reading that meets a lock in the middle begins anew', async () => {
  let tries = 0;
  function* read() {
    tries += 1;
    yield;
    if (tries < 3) throw new Error('locked');
    return 'whole';
  }
  expect((await runSlices(file, read)).value).toBe('whole');
  expect(tries).toBe(3);
});
