import { describe, expect, it, vi } from 'vitest';
import { Backoff } from '../../../src/daemon/timing/backoff.js';
import { CoalescedJob } from '../../../src/daemon/timing/coalesced-job.js';
import { SqlsyncError } from '../../../src/errors.js';

/** A job whose runs end when the test says so. */
function makeJob(options: { gapMs?: number } = {}) {
  const runs: { done: () => void; fail: (error: Error) => void }[] = [];
  const problems: (string | null)[] = [];
  const bugs: unknown[] = [];
  const job = new CoalescedJob({
    run: () => new Promise((resolve, reject) => runs.push({ done: resolve, fail: reject })),
    retryMsMin: 2,
    retryMsMax: 4,
    onProblem: (error) => problems.push(error?.code ?? null),
    onBug: (error) => bugs.push(error),
    ...options,
  });
  const last = () => runs.at(-1) as (typeof runs)[number];
  return { job, runs, last, problems, bugs };
}

describe('CoalescedJob', () => {
  it('runs at once, and once more for all that was asked meanwhile', async () => {
    const { job, runs, last } = makeJob();
    job.request();
    expect(runs).toHaveLength(1);
    job.request();
    job.request();
    expect(runs).toHaveLength(1);
    last().done();
    await vi.waitFor(() => expect(runs).toHaveLength(2));
    last().done();
    await job.stop();
    expect(runs).toHaveLength(2);
  });

  it('keeps a gap between the starts of two runs', async () => {
    const { job, runs, last } = makeJob({ gapMs: 50 });
    const startedMs = performance.now();
    job.request();
    last().done();
    await Promise.resolve();
    job.request();
    expect(runs).toHaveLength(1);
    await vi.waitFor(() => expect(runs).toHaveLength(2), { interval: 1 });
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(49);
  });

  it('tries again what an operator can mend, and tells when it goes on', async () => {
    const { job, runs, last, problems } = makeJob();
    job.request();
    last().fail(new SqlsyncError('disk-full', 'full'));
    await vi.waitFor(() => expect(runs).toHaveLength(2), { interval: 1 });
    last().done();
    await vi.waitFor(() => expect(problems).toEqual(['disk-full', null]), { interval: 1 });
  });

  it('hands over a bug and never runs again', async () => {
    const { job, runs, last, bugs } = makeJob();
    job.request();
    last().fail(new TypeError('bug'));
    await vi.waitFor(() => expect(bugs).toHaveLength(1));
    job.request();
    expect(runs).toHaveLength(1);
  });

  it('waits for the run under way when it is stopped', async () => {
    const { job, last } = makeJob();
    job.request();
    const order: string[] = [];
    const stopped = job.stop().then(() => order.push('stopped'));
    order.push('done');
    last().done();
    await stopped;
    expect(order).toEqual(['done', 'stopped']);
  });
});

describe('Backoff', () => {
  it('doubles up to its limit, drawn from the upper half, and begins anew after a success', () => {
    const highest = new Backoff(100, 500, () => 1);
    expect([1, 2, 3, 4, 5].map(() => highest.nextMs())).toEqual([100, 200, 400, 500, 500]);
    highest.reset();
    expect(highest.nextMs()).toBe(100);
    expect(new Backoff(100, 500, () => 0).nextMs()).toBe(50);
  });
});
