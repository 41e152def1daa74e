/** Members whose credentials have been revoked: nothing is exchanged with them, whoever dials and by whatever they are known. */
import { SqlsyncError } from '../../errors.js';
import type { DatabaseService } from './database-service.js';

/** Throws `credential-revoked`, or what keeps the file from being read. */
export async function assertNotRevoked(service: DatabaseService, node: string): Promise<void> {
  const refusal = await service.work(() => service.replica.credentials.refusalOf(node));
  if (refusal !== null) throw SqlsyncError.of(refusal);
}

/** The same for a connection that is there: while the file cannot be read, nothing comes of it and nothing is said. */
export async function assertStillGood(service: DatabaseService, node: string): Promise<void> {
  try {
    await assertNotRevoked(service, node);
  } catch (error) {
    if (!(error instanceof SqlsyncError) || error.code === 'credential-revoked') throw error;
  }
}
