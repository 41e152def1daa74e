/**
 * The configuration as it would stand in a file with every default written out: what `config show` prints, and what
 * reads back as the same configuration. It holds no secret, only the name of the file that does.
 */
import { formatByteSize } from './byte-size.js';
import type { Config } from './config.js';
import { formatDuration } from './duration.js';
import { formatListenAddress } from './listen-address.js';

const BYTES_KEY = /Bytes(Max|Min)$/;

/** Sizes with their units, in every key that names one. */
function withSizes(section: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const spell = (key: string, value: unknown) =>
    BYTES_KEY.test(key) && typeof value === 'number' ? formatByteSize(value) : value;
  return Object.fromEntries(Object.entries(section).map(([key, value]) => [key, spell(key, value)]));
}

const durationOrNull = (durationMs: number | null) => (durationMs === null ? null : formatDuration(durationMs));

export function toFileForm(config: Config): Record<string, unknown> {
  const { file: _, node, listen, admin, prune, health, limits, ...asTheyAre } = config;
  const { keepLogMs, keepConflictsMs, keepOperationsMs, peerTimeoutMs, ...pruneRest } = prune;
  const { verifyAgeMsMax, backupAgeMsMax, heartbeatEveryMs, ...healthRest } = health;
  return {
    node,
    listen: listen && formatListenAddress(listen),
    ...asTheyAre,
    admin: admin && { listen: formatListenAddress(admin.listen) },
    prune: withSizes({
      ...pruneRest,
      keepLog: formatDuration(keepLogMs),
      keepConflicts: formatDuration(keepConflictsMs),
      keepOperations: formatDuration(keepOperationsMs),
      peerTimeout: formatDuration(peerTimeoutMs),
    }),
    health: withSizes({
      ...healthRest,
      verifyAgeMax: durationOrNull(verifyAgeMsMax),
      backupAgeMax: durationOrNull(backupAgeMsMax),
      heartbeatEvery: formatDuration(heartbeatEveryMs),
    }),
    limits: withSizes(limits),
  };
}
