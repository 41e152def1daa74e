/** Jobs of a daemon: that they run when they are due, once, and that whoever looks sees how it went. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { request } from 'undici';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { DatabaseService } from '../../../src/daemon/database/database-service.js';
import { JobHistory } from '../../../src/daemon/file/job-history.js';
import { SideDirectory } from '../../../src/daemon/file/side-directory.js';
import type { Job } from '../../../src/daemon/jobs/job.js';
import { ScheduledJobs } from '../../../src/daemon/jobs/scheduled-jobs.js';
import { serveOnce } from '../../../src/daemon/serve-once.js';
import { SqlsyncError } from '../../../src/errors.js';
import { makeFolder } from '../../support/make-folder.js';
import { LIMITS, TestNode } from '../node.js';

const soon = { timeout: 15_000, interval: 20 };
const EVERY_SECOND = '* * * * * *';
const NEVER_SOON = '0 0 29 2 *';
const KEEP_TWO = { last: 2, daily: 0, weekly: 0, monthly: 0 };

const historyOf = ({ path }: TestNode) => new JobHistory(SideDirectory.open(path));
const operationsOf = ({ application }: TestNode): unknown[] =>
  application.prepare('SELECT command, result FROM _sqlsync_operation ORDER BY at').raw().all();

/** A runner for one database, and what it runs. */
async function withRunner(node: TestNode, jobs: readonly Job[], work: (runner: ScheduledJobs) => Promise<void>) {
  const logger = pino({ level: 'silent' });
  const served = { name: 'shop', path: node.path, identity: 'ask' } as const;
  await serveOnce(served, { limits: LIMITS, logger }, async (service) => {
    const onBug = (error: unknown) => {
      throw error;
    };
    const runner = new ScheduledJobs({ jobs, services: [service], operator: 'alice', logger, onBug });
    try {
      await work(runner);
    } finally {
      await runner.stop();
    }
  });
}

test('a time that was missed is made good once after the start, and no time is missed that nobody waited for', async () => {
  const node = TestNode.first(makeFolder(), 'paris');
  let runs = 0;
  const job: Job = {
    kind: 'optimise',
    schedule: NEVER_SOON,
    run: async () => {
      runs += 1;
      return { says: 'done', detail: { runs } };
    },
  };
  await withRunner(node, [job], async (runner) => runner.start());
  expect(runs).toBe(0);
  const { dueAt } = historyOf(node).of('optimise');
  expect(Date.parse(dueAt ?? '')).toBeGreaterThan(Date.now());

  historyOf(node).setDue('optimise', NEVER_SOON, new Date(Date.now() - 1000));
  await withRunner(node, [job], async (runner) => {
    runner.start();
    await vi.waitFor(() => expect(operationsOf(node)).toEqual([['by schedule: optimise', 'done']]), soon);
  });
  expect(historyOf(node).of('optimise')).toMatchObject({ dueAt, last: { result: 'done' } });
  await withRunner(node, [job], async (runner) => runner.start());
  expect(runs).toBe(1);

  // Another schedule has not been waited for.
  historyOf(node).setDue('optimise', '0 3 * * *', new Date(Date.now() - 1000));
  await withRunner(node, [job], async (runner) => runner.start());
  expect(runs).toBe(1);
});

test('no two of a kind at once, a failure is a result, and what is cut off is missed', async () => {
  const node = TestNode.first(makeFolder(), 'paris');
  let started = 0;
  const jobs: Job[] = [
    {
      kind: 'backup',
      schedule: EVERY_SECOND,
      run: (_service: DatabaseService, signal) => {
        started += 1;
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
    },
    {
      kind: 'drill',
      schedule: EVERY_SECOND,
      run: async () => {
        throw new SqlsyncError('backup-missing', 'there is none');
      },
    },
  ];
  historyOf(node).setDue('backup', EVERY_SECOND, new Date(Date.now() - 1000));
  await withRunner(node, jobs, async (runner) => {
    runner.start();
    // By then the other job has been due twice too.
    await vi.waitFor(() => expect(operationsOf(node).length).toBeGreaterThanOrEqual(2), soon);
  });
  expect(started).toBe(1);
  const { backup, drill } = historyOf(node).all();
  expect(backup).toMatchObject({ last: null, succeededAt: null });
  expect(Date.parse(backup?.dueAt ?? '')).toBeLessThan(Date.now());
  expect(drill).toMatchObject({ last: { result: 'backup-missing', message: 'there is none' }, succeededAt: null });
  expect(new Set(operationsOf(node).map((row) => String(row)))).toEqual(new Set(['by schedule: drill,backup-missing']));
});

test('jobs are replaced while they run: none twice at once, and what is due goes by the schedule of now', async () => {
  const node = TestNode.first(makeFolder(), 'paris');
  const ended: (() => void)[] = [];
  const begun: string[] = [];
  const job = (name: string, schedule: string): Job => ({
    kind: 'optimise',
    schedule,
    run: async () => {
      begun.push(name);
      await new Promise<void>((resolve) => ended.push(resolve));
      return { says: 'done', detail: null };
    },
  });
  await withRunner(node, [job('old', EVERY_SECOND)], async (runner) => {
    runner.start();
    await vi.waitFor(() => expect(begun).toEqual(['old']), soon);
    historyOf(node).setDue('optimise', NEVER_SOON, new Date(Date.now() - 1000));
    runner.configure([job('new', NEVER_SOON)]);
    ended[0]?.();
    await vi.waitFor(() => expect(operationsOf(node)).toEqual([['by schedule: optimise', 'done']]), soon);
    const { schedule, dueAt } = historyOf(node).of('optimise');
    expect(schedule).toBe(NEVER_SOON);
    expect(Date.parse(dueAt ?? '')).toBeGreaterThan(Date.now() + 60_000);
    expect(begun).toEqual(['old']);

    runner.configure([job('newest', EVERY_SECOND)]);
    await vi.waitFor(() => expect(begun).toEqual(['old', 'newest']), soon);
    ended[1]?.();
  });
});

test('a daemon backs up, keeps what it should, drills, and brings statistics up to date', async () => {
  const folder = makeFolder();
  const to = join(folder, 'backups');
  const backup = { schedule: EVERY_SECOND, to, keyFile: null, drill: EVERY_SECOND, keep: KEEP_TWO };
  const node = TestNode.first(folder, 'paris', { backup, optimise: { schedule: EVERY_SECOND } });
  node.application.exec('CREATE INDEX item_name ON item(name)');
  for (let id = 1; id <= 300; id += 1) node.insert(id, `item ${id}`);
  await node.start();
  const seen = new Set<string>();
  await vi.waitFor(() => {
    for (const name of readdirSync(to)) if (name.endsWith('.gz')) seen.add(name);
    expect(seen.size).toBeGreaterThanOrEqual(4);
  }, soon);
  await vi.waitFor(() => expect(historyOf(node).of('drill').succeededAt).not.toBe(null), soon);
  await vi.waitFor(() => expect(historyOf(node).of('optimise').succeededAt).not.toBe(null), soon);
  const { body } = await request(`${node.url}/metrics`);
  const metrics = await body.text();
  for (const job of ['backup', 'drill', 'optimise']) {
    expect(metrics).toMatch(new RegExp(`sqlsync_job_last_failed\\{database="shop",job="${job}"\\} 0`));
  }
  expect(metrics).toMatch(/sqlsync_backup_last_success_timestamp_seconds\{database="shop"\} \d+/);
  await node.stop();
  expect(readdirSync(to).filter((name) => name.endsWith('.gz')).length).toBeLessThanOrEqual(3);
  expect(node.application.prepare('SELECT count(*) FROM sqlite_stat1').pluck().get()).toBeGreaterThan(0);
  expect(readdirSync(`${node.path}.sqlsync`).filter((name) => name.startsWith('snapshot-'))).toEqual([]);
});

test('records that cannot be read are none', () => {
  const folder = makeFolder();
  const side = SideDirectory.open(join(folder, 'a.db'));
  onTestFinished(() => rmSync(side.path, { recursive: true, force: true }));
  writeFileSync(side.jobsPath, '{"backup":{"dueAt":"soon"},"verify":7');
  expect(new JobHistory(side).all()).toEqual({});
  writeFileSync(side.jobsPath, '{"backup":{"dueAt":"soon"},"verify":7}');
  expect(new JobHistory(side).all()).toEqual({});
});
