/**
 * Names of backups: `shop.paris.20260102T030405678Z.db.gz`, with `.age` behind it when it is encrypted. Database, node
 * and time stand in the name, so that several nodes can keep theirs in one place, and a list needs no file opened. The
 * manifest has the same name with `.json` behind it.
 */

export interface BackupName {
  readonly database: string;
  readonly node: string;
  readonly at: Date;
  readonly isEncrypted: boolean;
}

const MANIFEST_ENDING = '.json';

// A node's name has no dot, a database's may have.
const PATTERN = /^(.+)\.([A-Za-z0-9_-]+)\.(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z\.db\.gz(\.age)?$/;

export function formatBackupName({ database, node, at, isEncrypted }: BackupName): string {
  const time = at.toISOString().replaceAll(/[-:.]/g, '');
  return `${ownerPrefix({ database, node })}${time}.db.gz${isEncrypted ? '.age' : ''}`;
}

/** Null: this is no backup's name. */
export function parseBackupName(name: string): BackupName | null {
  const match = PATTERN.exec(name);
  if (match === null) return null;
  const [, database = '', node = '', year, month, day, hour, minute, second, ms, age] = match;
  const at = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
  if (Number.isNaN(at.getTime())) return null;
  return { database, node, at, isEncrypted: age !== undefined };
}

/** What the names of one node's backups of one database begin with. */
export function ownerPrefix({ database, node }: Pick<BackupName, 'database' | 'node'>): string {
  return `${database}.${node}.`;
}

export function manifestNameOf(backupName: string): string {
  return backupName + MANIFEST_ENDING;
}

/** The backup that a manifest of this name belongs to; null: it is no manifest's. */
export function backupNameOf(manifestName: string): string | null {
  if (!manifestName.endsWith(MANIFEST_ENDING)) return null;
  const name = manifestName.slice(0, -MANIFEST_ENDING.length);
  return parseBackupName(name) === null ? null : name;
}
