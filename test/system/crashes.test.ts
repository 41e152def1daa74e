/** A slice of `npm run prove:crashes`. */
import { expect, it } from 'vitest';
import { runCrashTrial } from '../support/crash-trial.js';
import { missingApplications } from '../support/foreign-application.js';
import { makeFolder } from '../support/make-folder.js';

const missing = missingApplications();

// Without the applications there is nothing to prove.
it.skipIf(missing !== null).each(['wal', 'delete'] as const)(
  `three kills lose no acknowledged transaction and halve none, in journal mode %s${missing === null ? '' : ` (${missing})`}`,
  async (journalMode) => {
    const options = { folder: makeFolder(), seed: 1, kills: 3, journalMode, killsApplications: false };
    const { acknowledged, transactions, looks } = await runCrashTrial(options);
    expect(acknowledged).toBeGreaterThan(100);
    expect(transactions).toBe(acknowledged);
    expect(looks).toBeGreaterThan(50);
  },
  60_000,
);
