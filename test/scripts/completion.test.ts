import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bashCompletion } from '../../scripts/bash-completion.js';
import { readManifest } from '../../scripts/command-manifest.js';
import { missingPrograms, nameWithout } from '../support/installed-program.js';
import { makeFolder } from '../support/make-folder.js';

const script = bashCompletion(readManifest());

function completionsOf(...words: string[]): string[] {
  const file = join(makeFolder(), 'sqlsync');
  writeFileSync(file, script);
  const ask =
    'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sqlsync; IFS=$\'\\n\'; echo "$' + '{COMPREPLY[*]}"';
  const { stdout, stderr } = spawnSync('bash', ['-c', ask, file, ...words], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((line) => line !== '');
}

test.each([
  [
    ['sqlsync', 'con'],
    ['config', 'conflicts'],
  ],
  [
    ['sqlsync', 'config', ''],
    ['check', 'schema', 'show'],
  ],
  [['sqlsync', 'service', 'in'], ['install']],
  [['sqlsync', 'init', '--key'], ['--key-collision']],
  [
    ['sqlsync', 'init', '--key-collision', ''],
    ['keep', 'rekey'],
  ],
  [
    ['sqlsync', '-c', 'config', 'sta'],
    ['start', 'status'],
  ],
  [['sqlsync', 'init', 'shop'], []],
])('%j is completed to %j', (words, completions) => {
  expect(completionsOf(...words)).toEqual(completions);
});

const missing = missingPrograms('shellcheck');
// shellcheck is what judges.
test.skipIf(missing !== null)(nameWithout('shellcheck has nothing to say', missing), () => {
  const file = join(makeFolder(), 'sqlsync.bash');
  writeFileSync(file, script);
  const { stdout } = spawnSync('shellcheck', ['--shell=bash', file], { encoding: 'utf8' });
  expect(stdout).toBe('');
});
