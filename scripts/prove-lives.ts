/**
 * Takes three nodes through every turn in the life of a file, follows whatever sqlsync prints, and looks whether anything
 * was lost: npm run prove:lives -- [--trials N] [--seed N] [--turns N] [--of TURN,TURN] [--quiet].
 * Prints what each trial came to, and with a failure the command that repeats it; exits 1 then. A seed fixes which turns
 * are taken on which node; what the processes do meanwhile is the machine's.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { missingApplications } from '../test/support/foreign-application.js';
import { runLifeTrial } from '../test/support/lives/life-trial.js';
import { TURNS, type TurnKind } from '../test/support/lives/life-turns.js';

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '1' },
    turns: { type: 'string', default: '12' },
    seed: { type: 'string' },
    of: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});

const missing = missingApplications();
if (missing !== null) throw new Error(missing);

const first = Number(values.seed ?? Date.now() % 1_000_000);
const turns = Number(values.turns);
const of = values.of === undefined ? TURNS : TURNS.filter((kind: TurnKind) => values.of?.split(',').includes(kind));
const say = values.quiet ? () => {} : (text: string) => console.log(text);

for (let seed = first; seed < first + Number(values.trials); seed += 1) {
  const folder = mkdtempSync(join(tmpdir(), 'sqlsync-lives-'));
  const startedMs = performance.now();
  try {
    const { acknowledged, typed } = await runLifeTrial({ folder, seed, turns, of, say });
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    console.log(`seed ${seed}: ${acknowledged} values, none lost; ${typed} commands by hints; ${seconds} s`);
    rmSync(folder, { recursive: true });
  } catch (error) {
    console.log(`seed ${seed}: ${(error as Error).message}\nthe files are in ${folder}`);
    const only = values.of === undefined ? '' : ` --of ${values.of}`;
    console.log(`npm run prove:lives -- --seed ${seed} --turns ${turns}${only}`);
    process.exitCode = 1;
  }
}
