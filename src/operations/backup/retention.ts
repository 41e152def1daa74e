/**
 * Which backups stay. A day, a week and a month each keep the newest backup in them, for as many of those as are asked
 * for that have one; the newest of all always stays. Days, ISO weeks and months are those of UTC.
 */
import type { Config } from '../../config.js';

export type BackupsKept = NonNullable<Config['backup']>['keep'];

const DAY_MS = 86_400_000;

/** @param times of one node's backups of one database, in any order. Returns those that may go. */
export function expiredBackups<Item>(items: readonly Item[], timeOf: (item: Item) => Date, keep: BackupsKept): Item[] {
  const newestFirst = [...items].sort((x, y) => timeOf(y).getTime() - timeOf(x).getTime());
  const kept = new Set(newestFirst.slice(0, Math.max(1, keep.last)));
  const periods = [
    [keep.daily, dayOf],
    [keep.weekly, weekOf],
    [keep.monthly, monthOf],
  ] as const;
  for (const [count, periodOf] of periods) {
    const newestOf = new Map<string, Item>();
    for (const item of newestFirst) {
      const period = periodOf(timeOf(item));
      if (!newestOf.has(period)) newestOf.set(period, item);
    }
    for (const item of [...newestOf.values()].slice(0, count)) kept.add(item);
  }
  return newestFirst.filter((item) => !kept.has(item));
}

function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}

/** By its Monday. */
function weekOf(at: Date): string {
  const sinceMonday = (at.getUTCDay() + 6) % 7;
  return dayOf(new Date(at.getTime() - sinceMonday * DAY_MS));
}

function monthOf(at: Date): string {
  return at.toISOString().slice(0, 7);
}
