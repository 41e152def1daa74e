import { expect, test } from 'vitest';
import { expiredBackups } from '../../../src/operations/backup/retention.js';

const kept = (times: readonly string[], keep: Partial<Parameters<typeof expiredBackups>[2]>): string[] => {
  const all = { last: 0, daily: 0, weekly: 0, monthly: 0, ...keep };
  const gone = expiredBackups(times, (time) => new Date(time), all);
  return times.filter((time) => !gone.includes(time));
};

const days = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => new Date(Date.UTC(2026, 2, 31 - i, 3)).toISOString());

test('the last few stay, and the newest in any case', () => {
  expect(kept(days(9), { last: 3 })).toEqual(days(3));
  expect(kept(days(9), {})).toEqual(days(1));
  expect(kept([], { last: 3 })).toEqual([]);
});

test('of a day its newest stays, for as many days as have one', () => {
  const times = ['2026-03-31T20:00:00Z', '2026-03-31T03:00:00Z', '2026-03-28T03:00:00Z', '2026-03-28T01:00:00Z'];
  expect(kept(times, { daily: 2 })).toEqual(['2026-03-31T20:00:00Z', '2026-03-28T03:00:00Z']);
});

test('weeks begin on Monday, months on the first, both in UTC', () => {
  // 2026-03-29 is a Sunday, 2026-03-30 a Monday.
  const times = ['2026-03-30T00:00:00Z', '2026-03-29T23:59:59Z', '2026-03-23T00:00:00Z', '2026-03-22T12:00:00Z'];
  expect(kept(times, { weekly: 3 })).toEqual(['2026-03-30T00:00:00Z', '2026-03-29T23:59:59Z', '2026-03-22T12:00:00Z']);
  const ends = ['2026-03-01T00:00:00Z', '2026-02-28T23:59:59Z', '2026-02-01T00:00:00Z', '2026-01-31T23:00:00Z'];
  expect(kept(ends, { monthly: 3 })).toEqual([ends[0], ends[1], ends[3]]);
});

test('rules add up: a year of daily backups comes down to days, weeks and months', () => {
  const times = days(400);
  const stay = kept(times, { last: 3, daily: 7, weekly: 4, monthly: 12 });
  expect(stay.slice(0, 7)).toEqual(days(7));
  expect(stay.length).toBeLessThanOrEqual(3 + 7 + 4 + 12);
  expect(stay.length).toBeGreaterThanOrEqual(18);
  expect(new Set(stay.map((time) => time.slice(0, 7))).size).toBe(12);
});
