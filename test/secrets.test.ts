import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createSecretFile, isOnReadOnlyMount, readSecrets } from '../src/secrets.js';
import { makeFolder } from './support/make-folder.js';

const OLD = 'the-secret-of-last-year';
const NEW = 'the-secret-of-this-year';

function secretFile(text: string, mode = 0o600): string {
  const path = join(makeFolder(), 'sqlsync.secret');
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

test('one secret a line, the first to be sent', () => {
  expect(readSecrets({ secretFile: secretFile(`${NEW}\n\n ${OLD} \r\n`) }, {})).toEqual([NEW, OLD]);
});

test('the environment stands above the file', () => {
  expect(readSecrets({ secretFile: '/nowhere' }, { SQLSYNC_SECRET: NEW })).toEqual([NEW]);
});

test('no secret, an empty one and a short one are refused, and no message holds any of it', () => {
  expect(() => readSecrets({ secretFile: null }, {})).toThrow(refusal('secret-missing', /no secret/));
  expect(() => readSecrets({ secretFile: '/nowhere' }, {})).toThrow(refusal('secret-missing', /is not there/));
  expect(() => readSecrets({ secretFile: secretFile('\n \n') }, {})).toThrow(
    refusal('secret-missing', /holds no secret/),
  );
  expect(() => readSecrets({ secretFile: secretFile(`${NEW}\nshort`) }, {})).toThrow(
    refusal('secret-missing', /the secret in line 2 has fewer than 16 characters$/),
  );
  expect(() => readSecrets({ secretFile: null }, { SQLSYNC_SECRET: 'short' })).toThrow(
    refusal('secret-missing', /^SQLSYNC_SECRET: the secret in line 1/),
  );
});

test.each([0o640, 0o604, 0o644, 0o620])('a file that others have mode %o on is refused', (mode) => {
  expect(() => readSecrets({ secretFile: secretFile(NEW, mode) }, {})).toThrow(
    refusal('secret-exposed', /others can read/),
  );
});

test('what systemd hands in is taken with the mode it has', () => {
  const path = secretFile(NEW, 0o644);
  expect(readSecrets({ secretFile: path }, { CREDENTIALS_DIRECTORY: join(path, '..') })).toEqual([NEW]);
  expect(() => readSecrets({ secretFile: path }, { CREDENTIALS_DIRECTORY: '/run/credentials' })).toThrow(
    refusal('secret-exposed', /others/),
  );
});

test('the mount that holds a file is the longest one, and the latest of equals', () => {
  const mounts = [
    '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
    '30 22 0:40 / /run/secrets ro,relatime - tmpfs tmpfs rw',
    '31 22 0:41 / /run/with\\040space ro - tmpfs tmpfs rw',
    '32 22 0:42 / /run/twice ro - tmpfs tmpfs rw',
    '33 32 0:43 / /run/twice rw - tmpfs tmpfs rw',
  ].join('\n');
  expect(isOnReadOnlyMount('/run/secrets/sqlsync', mounts)).toBe(true);
  expect(isOnReadOnlyMount('/run/secrets', mounts)).toBe(true);
  expect(isOnReadOnlyMount('/run/secretsauce', mounts)).toBe(false);
  expect(isOnReadOnlyMount('/run/with space/secret', mounts)).toBe(true);
  expect(isOnReadOnlyMount('/run/twice/secret', mounts)).toBe(false);
  expect(isOnReadOnlyMount('/etc/secret', '')).toBe(false);
});

test('a made secret is random, private, and never put over another', () => {
  const path = join(makeFolder(), 'sqlsync.secret');
  createSecretFile(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const [secret] = readSecrets({ secretFile: path }, {});
  expect(secret).toMatch(/^[\w-]{43}$/);
  expect(() => createSecretFile(path)).toThrow(/EEXIST/);
  expect(readFileSync(path, 'utf8')).toBe(`${secret}\n`);
});
