/**
 * Kills daemons and applications at random moments and looks whether anything was lost or halved:
 * npm run prove:crashes -- [--trials N] [--kills N] [--seed N] [--journal wal|delete].
 * Prints what each trial came to, and with a failure the command that repeats it; exits 1 then. A seed fixes who is
 * killed after how many commits; what the processes do meanwhile is the machine's.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runCrashTrial } from '../test/support/crash-trial.js';
import { missingApplications } from '../test/support/foreign-application.js';

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '2' },
    kills: { type: 'string', default: '10' },
    seed: { type: 'string' },
    journal: { type: 'string' },
  },
});

const missing = missingApplications();
if (missing !== null) throw new Error(missing);

const first = Number(values.seed ?? Date.now() % 1_000_000);
const kills = Number(values.kills);
for (let seed = first; seed < first + Number(values.trials); seed += 1) {
  const journalMode = (values.journal ?? (seed % 2 === 0 ? 'wal' : 'delete')) === 'wal' ? 'wal' : 'delete';
  const folder = mkdtempSync(join(tmpdir(), 'sqlsync-crashes-'));
  const startedMs = performance.now();
  try {
    const result = await runCrashTrial({ folder, seed, kills, journalMode, killsApplications: true });
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    console.log(`seed ${seed}, ${journalMode}: nothing lost, nothing halved, files equal`, result, `${seconds} s`);
    rmSync(folder, { recursive: true });
  } catch (error) {
    console.log(`seed ${seed}, ${journalMode}: ${(error as Error).message}\nthe files are in ${folder}`);
    console.log(`npm run prove:crashes -- --trials 1 --kills ${kills} --seed ${seed} --journal ${journalMode}`);
    process.exitCode = 1;
  }
}
