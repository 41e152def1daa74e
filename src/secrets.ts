/**
 * The secrets that nodes of a data set know each other by: from the environment or a file, never from argv. The first
 * is sent, all are accepted, so that a secret can be exchanged on one node after the other.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { Environment } from './config-document.js';
import { SqlsyncError } from './errors.js';
import { isWithin, mountPointOf } from './mount-points.js';
import { shellWord } from './shell-word.js';

const SECRET_CHARS_MIN = 16;
const SECRET_BYTES = 32;
const READABLE_BY_OTHERS = 0o077;
const NEW_SECRET_HINT = 'Make one: openssl rand -base64 32';

/**
 * The secrets, at least one. SQLSYNC_SECRET stands above the file. Throws secret-missing when there is none or one is
 * too short to be one, secret-exposed when others can read the file.
 */
export function readSecrets(config: { readonly secretFile: string | null }, env: Environment = process.env): string[] {
  if (env.SQLSYNC_SECRET) return parseSecrets(env.SQLSYNC_SECRET, 'SQLSYNC_SECRET');
  if (config.secretFile === null) {
    throw new SqlsyncError('secret-missing', 'no secret: neither secretFile nor SQLSYNC_SECRET is set', {
      hint: 'Name a file with one secret a line in sqlsync.yml: secretFile: ./sqlsync.secret',
    });
  }
  return parseSecrets(readPrivateFile(config.secretFile, env), config.secretFile);
}

/** Writes a new random secret to `path`, readable by its owner only. A file that is there is never touched. */
export function createSecretFile(path: string): void {
  const descriptor = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(descriptor, `${randomBytes(SECRET_BYTES).toString('base64url')}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function parseSecrets(text: string, source: string): string[] {
  const secrets = text.split(/\r?\n/).map((line) => line.trim());
  const kept = secrets.filter((line) => line !== '');
  if (kept.length === 0)
    throw new SqlsyncError('secret-missing', `${source} holds no secret`, { hint: NEW_SECRET_HINT });
  const short = secrets.findIndex((line) => line !== '' && line.length < SECRET_CHARS_MIN);
  if (short >= 0) {
    const message = `${source}: the secret in line ${short + 1} has fewer than ${SECRET_CHARS_MIN} characters`;
    throw new SqlsyncError('secret-missing', message, { hint: NEW_SECRET_HINT });
  }
  return kept;
}

/** The address that a heartbeat calls: a secret too. Throws as readSecrets does, and when it is no address. */
export function readSecretUrl(path: string, env: Environment = process.env): string {
  const url = readPrivateFile(path, env).trim();
  if (URL.canParse(url) && /^https?:/.test(url)) return url;
  throw new SqlsyncError('secret-missing', `${path} holds no URL`, { hint: 'It takes one line: https://…' });
}

/** A file's text. Throws secret-missing when it cannot be read, secret-exposed when others can read it. */
export function readPrivateFile(path: string, env: Environment = process.env): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (cause) {
    const isAbsent = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = isAbsent ? 'is not there' : 'cannot be read';
    const hint = isAbsent
      ? 'Put it there, readable by its owner only, or name in sqlsync.yml the one that is meant.'
      : `ls -l ${shellWord(path)}`;
    throw new SqlsyncError('secret-missing', `the secret file ${path} ${reason}`, { hint, cause });
  }
  try {
    const exposed = (fstatSync(descriptor).mode & READABLE_BY_OTHERS) !== 0;
    if (exposed && !isHandedIn(realpathSync(path), env)) {
      throw new SqlsyncError('secret-exposed', `others can read the secret file ${path}`, {
        hint: `chmod 600 ${shellWord(path)}`,
      });
    }
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

/** Secrets that systemd or a container runtime hands in have modes of their own, and nobody can mend those. */
function isHandedIn(path: string, env: Environment): boolean {
  const folder = env.CREDENTIALS_DIRECTORY;
  if (folder && isAbsolute(folder) && isWithin(path, folder)) return true;
  return isOnReadOnlyMount(path, readMounts());
}

/** Linux tells its mounts here (proc_pid_mountinfo(5)); elsewhere nothing counts as read-only. */
function readMounts(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return '';
  }
}

/** Does the mount that holds `path` allow no writing? `mountinfo` is the text of /proc/self/mountinfo. */
export function isOnReadOnlyMount(path: string, mountinfo: string): boolean {
  return mountPointOf(path, mountinfo)?.options.includes('ro') ?? false;
}
