/**
 * Checks the rules of .dependency-cruiser.cjs, and that the cruiser saw every source file: with a compiler it cannot
 * use it finds no modules, breaks no rule, and would pass for ever.
 */
import { readdirSync } from 'node:fs';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import extractDepcruiseOptions from 'dependency-cruiser/config-utl/extract-depcruise-options';
import extractTsConfig from 'dependency-cruiser/config-utl/extract-ts-config';

const { output } = await cruise(['src'], await extractDepcruiseOptions('./.dependency-cruiser.cjs'), undefined, {
  tsConfig: extractTsConfig('tsconfig.json'),
});
const { modules, summary } = output as ICruiseResult;

for (const { rule, from, to } of summary.violations) process.stderr.write(`${rule.name}: ${from} → ${to}\n`);

const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
const seen = modules.filter((module) => module.source.startsWith('src/')).length;
if (seen < files.length) process.stderr.write(`only ${seen} of ${files.length} files in src were looked at\n`);

process.stdout.write(`${seen} modules, ${summary.violations.length} violations\n`);
if (summary.violations.length > 0 || seen < files.length) process.exitCode = 1;
