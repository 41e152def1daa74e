/** A directory of the test's own under the system's temporary one, removed when the test file is done. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

export function scratchDirectory(): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'sqlsync-test-')));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
