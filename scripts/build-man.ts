/** Writes the manual pages into a folder: dist/man/man1, or the one that is named. `npm run build` comes before. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readManifest } from './command-manifest.js';
import { manPages } from './man-pages.js';

const folder = process.argv[2] ?? 'dist/man/man1';
const { SOURCE_DATE_EPOCH: epoch } = process.env;
const pages = manPages(readManifest(), epoch === undefined ? new Date() : new Date(Number(epoch) * 1000));
mkdirSync(folder, { recursive: true });
for (const { file, text } of pages) writeFileSync(join(folder, file), text);
process.stdout.write(`${pages.length} pages in ${folder}\n`);
