/** A path in the system's temporary folder that only this user can reach, for as long as the work lasts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { storeError } from '../../operations/backup/store-errors.js';

export async function withScratchFile<Result>(work: (path: string) => Promise<Result>): Promise<Result> {
  const folder = await makeFolder(tmpdir());
  try {
    return await work(join(folder, 'copy.db'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeFolder(parent: string): Promise<string> {
  try {
    return await mkdtemp(join(parent, 'sqlsync-'));
  } catch (error) {
    throw storeError(error, parent);
  }
}
