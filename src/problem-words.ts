/** The same for problems: what a status finds wrong without anything having failed. */

import type { Words } from './error-words.js';

export const PROBLEM_WORDS = {
  'daemon-down': {
    meaning: 'The daemon does not run.',
    remedy: '`sqlsync start`, or `systemctl status sqlsync`.',
  },
  'coverage-partial': {
    meaning: 'Writes to some tables are not recorded: triggers are missing, or tables have come since `init`.',
    remedy: '`sqlsync init DB` repairs what is missing and takes in new tables.',
  },
  'coverage-unknown': {
    meaning: 'Something has, or may have, gone past the triggers: they were missing for a while.',
    remedy:
      "They are back already. The daemon compares the tables with a peer's (with all members, where the peer has missed writes too) and closes the gap by itself; `sqlsync verify` does it now. What other nodes write over meanwhile is [kept](conflicts.md#written-over-in-a-gap).",
  },
  'conflicts-open': {
    meaning: 'Conflicts wait for a decision: more than `health.conflictsOpenMax`.',
    remedy: '`sqlsync conflicts --state open`, then [decide](conflicts.md).',
  },
  'changes-quarantined': {
    meaning: 'Changes of other nodes could not be applied here, and are kept.',
    remedy:
      "`sqlsync quarantine` shows them and why. Run the application's migration if it is due: they are tried again when the schema changes. Else `quarantine retry` or `quarantine discard`.",
  },
  'peer-lag': {
    meaning: 'Changes have waited for longer than `health.lagSecondsMax`.',
    remedy: "`sqlsync sync PEER`; see the peer's status.",
  },
  'peer-paused': {
    meaning: 'An operator has paused the exchange with a peer.',
    remedy: '`sqlsync peers resume NAME`.',
  },
  'restart-needed': {
    meaning: 'The daemon has read its configuration anew, and goes on by the old values of some keys, which it names.',
    remedy:
      '`systemctl restart sqlsync`, or SIGTERM and `sqlsync start`. [configuration.md](configuration.md) has them.',
  },
  'disk-low': {
    meaning: 'Less is free than `health.diskFreeBytesMin`.',
    remedy: 'Free space before the application cannot write any more.',
  },
  'history-large': {
    meaning: 'More than `prune.retainedBytesMax` is kept; the message names the member that holds the most of it.',
    remedy: 'Bring it back, or `sqlsync members remove NAME`; `sqlsync prune --dry-run` tells what can go.',
  },
  'read-only-writes': {
    meaning: 'Something has been written on a read-only member, and nobody takes it.',
    remedy:
      'On another node `sqlsync members set NAME --access write`, then `sqlsync rejoin` here. To give it up: `sqlsync rejoin --discard-local`.',
  },
  'backup-old': {
    meaning: 'The last backup is older than `health.backupAgeMax`.',
    remedy: "See the daemon's log for why backups fail.",
  },
  'verify-old': {
    meaning: 'Nodes were last compared longer ago than `health.verifyAgeMax`.',
    remedy: "`sqlsync verify`; see the daemon's log for why scheduled comparisons fail.",
  },
  'job-failed': {
    meaning: 'A job of a schedule failed when it ran last.',
    remedy: "Do by hand what the command beside it says; the daemon's log has more.",
  },
  'nodes-differ': {
    meaning: 'When last compared, this node and a peer held different rows.',
    remedy: '`sqlsync verify PEER` names them; `sqlsync repair PEER --use here` (or `there`) makes them agree.',
  },
} as const satisfies Record<string, Words>;
