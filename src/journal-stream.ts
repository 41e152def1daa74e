/**
 * Does a descriptor lead to the journal? JOURNAL_STREAM is inherited by whatever a service starts, and stays in the
 * environment when its output is redirected, so it holds the device and the inode to compare (systemd.exec(5)).
 */
import { fstatSync } from 'node:fs';

export function isJournalStream(
  { JOURNAL_STREAM: stream }: Readonly<Record<string, string | undefined>>,
  descriptor: number,
): boolean {
  if (!stream) return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    // A closed descriptor leads nowhere.
    return false;
  }
}
