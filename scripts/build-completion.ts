/** Writes the completion of the shell into a file: dist/completion/sqlsync, or the one that is named. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { bashCompletion } from './bash-completion.js';
import { readManifest } from './command-manifest.js';

const file = process.argv[2] ?? 'dist/completion/sqlsync';
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, bashCompletion(readManifest()));
process.stdout.write(`${file}\n`);
