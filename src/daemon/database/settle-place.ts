/** Writes down where a file is served from now on. One that may be a copy says nothing to anybody before it is known what it is. */
import type { DatabaseConfig } from '../../config-schema.js';
import { isOtherPlace } from '../../replication/file-place.js';
import type { Replica } from '../../replication/replica.js';
import { fileIdentity } from '../file/file-identity.js';
import { identityUnknown } from './service-errors.js';

/** Throws 'identity-unknown'. `path`: the real one. */
export function settlePlace(replica: Replica, path: string, identity: DatabaseConfig['identity']): void {
  const place = { path, file: fileIdentity(path) ?? '' };
  if (identity === 'ask' && isOtherPlace(replica.place, place)) throw identityUnknown(replica, path);
  replica.settleAt(place);
}
