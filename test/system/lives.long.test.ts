/** A slice of `npm run prove:lives`. */
import { expect, it } from 'vitest';
import { missingApplications } from '../support/foreign-application.js';
import { runLifeTrial } from '../support/lives/life-trial.js';
import { makeFolder } from '../support/make-folder.js';

const missing = missingApplications();

// Without the applications there is nothing to prove.
it.skipIf(missing !== null)(
  `a life of kills, migrations, a copy put back and a member removed loses nothing${missing === null ? '' : ` (${missing})`}`,
  async () => {
    const of = ['kill-daemon', 'migrate', 'raw-copy', 'remove-member', 'vacuum'] as const;
    const { acknowledged, turns } = await runLifeTrial({ folder: makeFolder(), seed: 4, turns: 5, of });
    expect(turns).toHaveLength(5);
    expect(acknowledged).toBeGreaterThan(200);
  },
  120_000,
);
