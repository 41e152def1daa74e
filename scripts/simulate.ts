/**
 * Runs random histories on the real engine: npm run simulate -- [--seeds N] [--first N].
 * Prints failing seeds with the command that replays each, and exits 1 when there are any.
 */
import { parseArgs } from 'node:util';
import { runHistory } from '../test/support/history.js';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '1000' }, first: { type: 'string', default: '1' } },
});
const first = Number(values.first);
const last = first + Number(values.seeds);
const FAILURES_MAX = 5;

const total = {
  writes: 0,
  rowsCrossed: 0,
  conflicts: 0,
  orphans: 0,
  rekeyed: 0,
  restarts: 0,
  restores: 0,
  stale: 0,
  cutShort: 0,
  quarantined: 0,
};
let failures = 0;
for (let seed = first; seed < last && failures < FAILURES_MAX; seed += 1) {
  try {
    const result = runHistory(seed);
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += result[name];
  } catch (error) {
    failures += 1;
    console.log((error as Error).message);
  }
}
console.log(failures > 0 ? `${failures} failing seeds` : `${values.seeds} histories converge`, JSON.stringify(total));
process.exitCode = failures > 0 ? 1 : 0;
