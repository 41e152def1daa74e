/**
 * Encryption of backups, in the age format (https://age-encryption.org/v1), so that age(1) can read them too. A key file
 * holds one key a line: `AGE-SECRET-KEY-1…`, which decrypts, and for which is encrypted as well; or `age1…`, which only
 * encrypts, so that the secret need not be on the machine whose backups it opens.
 */
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { Decrypter, Encrypter, identityToRecipient } from 'age-encryption';
import type { Config } from '../../config.js';
import { SqlsyncError } from '../../errors.js';
import { readPrivateFile } from '../../secrets.js';
import { parseBackupName } from './backup-name.js';

const IDENTITY = /^AGE-SECRET-KEY-1[0-9A-Z]+$/;
const RECIPIENT = /^age1[0-9a-z]+$/;

export interface BackupKey {
  readonly file: string;
  readonly identities: readonly string[];
  readonly recipients: readonly string[];
}

/** Throws `secret-exposed` for a key that others can read, `backup-key` for a file without one. */
export function readBackupKey(file: string): BackupKey {
  const written = readPrivateFile(file).split(/\r?\n/);
  const lines = written.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  const wrong = lines.findIndex((line) => !IDENTITY.test(line) && !RECIPIENT.test(line));
  if (lines.length === 0 || wrong >= 0) {
    throw new SqlsyncError('backup-key', `${file} is no file of age keys`, {
      hint: '`age-keygen -o FILE` makes one: a line AGE-SECRET-KEY-1…, or age1… to encrypt only.',
    });
  }
  return {
    file,
    identities: lines.filter((line) => IDENTITY.test(line)),
    recipients: lines.filter((line) => RECIPIENT.test(line)),
  };
}

/**
 * The key for a backup of this name: the file that is named, else the configuration's. Null: it is not encrypted, or none
 * is named anywhere.
 */
export function keyFor(backupName: string, file: string | undefined, config: () => Config | null): BackupKey | null {
  if (parseBackupName(backupName)?.isEncrypted !== true) return null;
  const keyFile = file ?? config()?.backup?.keyFile;
  return keyFile ? readBackupKey(keyFile) : null;
}

export async function encrypt(data: Readable, { identities, recipients }: BackupKey): Promise<Readable> {
  const encrypter = new Encrypter();
  const own = await Promise.all(identities.map((identity) => identityToRecipient(identity)));
  for (const recipient of new Set([...recipients, ...own])) encrypter.addRecipient(recipient);
  const web = Readable.toWeb(data) as globalThis.ReadableStream<Uint8Array>;
  return Readable.fromWeb((await encrypter.encrypt(web)) as unknown as ReadableStream);
}

/** Throws `backup-key` when no key of the file opens it. Damage shows while it is read. */
export async function decrypt(data: Readable, key: BackupKey | null, path: string): Promise<Readable> {
  if (key === null || key.identities.length === 0) {
    throw new SqlsyncError('backup-key', `${path} is encrypted`, {
      hint: 'name the file of the secret key: --key-file FILE, or backup.keyFile in sqlsync.yml',
    });
  }
  const decrypter = new Decrypter();
  for (const identity of key.identities) decrypter.addIdentity(identity);
  try {
    const web = Readable.toWeb(data) as globalThis.ReadableStream<Uint8Array>;
    return Readable.fromWeb((await decrypter.decrypt(web)) as unknown as ReadableStream);
  } catch (cause) {
    if (!/no identity matched/.test((cause as Error).message)) throw cause;
    throw new SqlsyncError('backup-key', `no key of ${key.file} opens ${path}`, {
      hint: 'it was encrypted for another key',
      cause,
    });
  }
}
