import { join } from 'node:path';
import { expect, test } from 'vitest';
import { JobHistory } from '../../../src/daemon/file/job-history.js';
import { makeFolder } from '../../support/make-folder.js';

test('a run that cannot be written down ends nobody, and nothing is known of it', () => {
  const history = new JobHistory({ jobsPath: join(makeFolder(), 'nowhere', 'jobs.json') });
  const at = '2026-01-01T00:00:00.000Z';
  history.addRun('prune', { startedAt: at, endedAt: at, result: 'done', message: null });
  history.setDue('prune', '* * * * *', new Date(at));
  expect(history.all()).toEqual({});
});
