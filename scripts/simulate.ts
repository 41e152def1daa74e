/**
 * Runs random histories on the real engine: npm run simulate -- [--of writes|rules|members|tables|gaps|drift] [--seeds N] [--first N].
 * Prints failing seeds with the command that replays each, and exits 1 when there are any.
 */
import { parseArgs } from 'node:util';
import { runDriftHistory } from '../test/support/drift-history.js';
import { runGapHistory } from '../test/support/gap-history.js';
import { runHistory } from '../test/support/history.js';
import { runMemberHistory } from '../test/support/member-history.js';
import { runRuleHistory } from '../test/support/rule-history.js';
import { runTableHistory } from '../test/support/table-history.js';

const { values } = parseArgs({
  options: {
    of: { type: 'string', default: 'writes' },
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
  },
});
const histories: Record<string, (seed: number) => object | Promise<object>> = {
  writes: runHistory,
  rules: runRuleHistory,
  members: runMemberHistory,
  tables: runTableHistory,
  gaps: runGapHistory,
  drift: runDriftHistory,
};
const run = histories[values.of];
if (run === undefined) throw new Error(`--of is one of ${Object.keys(histories).join(', ')}`);
const first = Number(values.first);
const last = first + Number(values.seeds);
const FAILURES_MAX = 5;

const total: Record<string, number> = {};
let failures = 0;
for (let seed = first; seed < last && failures < FAILURES_MAX; seed += 1) {
  try {
    for (const [name, count] of Object.entries(await run(seed))) total[name] = (total[name] ?? 0) + (count as number);
  } catch (error) {
    failures += 1;
    console.log((error as Error).message);
  }
}
console.log(failures > 0 ? `${failures} failing seeds` : `${values.seeds} histories converge`, JSON.stringify(total));
process.exitCode = failures > 0 ? 1 : 0;
