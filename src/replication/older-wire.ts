/**
 * What can be said to a peer that speaks an older wire version. Two nodes speak the lower of the highest versions that
 * they know; what a version cannot tell is left out where nothing comes of that, and else not sent.
 */
import { SqlsyncError } from '../errors.js';
import { OTHER_COLUMNS, type RowVersion } from './row-version.js';
import { type Hello, WIRE_VERSION, WIRE_VERSION_MIN } from './wire-messages.js';

/** From the lowest that is understood to the highest that is spoken. */
export type WireVersions = Pick<Hello, 'wireVersion' | 'wireVersionMin'>;

/** The first wire version in which a row says which columns its writer leaves unsaid. */
export const UNSAID_SINCE = 2;

/** The first wire version of those who know files of this version's format: a snapshot is one. */
export const FORMAT_KNOWN_SINCE = 2;

/** What an engine speaks: all that this version can, if it was not told otherwise. */
export function spokenBy({ wire }: { readonly wire?: WireVersions }): WireVersions {
  return wire ?? { wireVersion: WIRE_VERSION, wireVersionMin: WIRE_VERSION_MIN };
}

/** The version that two nodes speak, once they are known to share one. */
export function sharedVersion(
  here: Pick<WireVersions, 'wireVersion'>,
  there: Pick<WireVersions, 'wireVersion'>,
): number {
  return Math.min(here.wireVersion, there.wireVersion);
}

export interface OlderWireRow {
  readonly table: string;
  /** Ids of the columns that are sent. */
  readonly columnIds: readonly number[];
  /** Have both nodes the same tables and columns? */
  readonly isSameSchema: boolean;
}

/**
 * The row's version as the wire version can tell it. Throws wire-version where whoever takes it for the whole would join
 * it otherwise than other nodes do. Of columns that the table has not, no node has any while all schemas are one.
 */
export function versionIn(wireVersion: number, version: RowVersion, row: OlderWireRow): RowVersion {
  if (version.unsaid === undefined || wireVersion >= UNSAID_SINCE) return version;
  const { unsaid, ...told } = version;
  const isOthersOnly = !row.columnIds.some((id) => unsaid.has(id));
  if (isOthersOnly && (row.isSameSchema || !unsaid.has(OTHER_COLUMNS))) return told;
  throw new SqlsyncError(
    'wire-version',
    `${row.table} has rows that leave columns unsaid, which came to it later: the peer speaks wire version ${wireVersion}, and that cannot tell it`,
    { hint: 'upgrade sqlsync on the peer: until then these rows, and what comes with them, wait here' },
  );
}
