/**
 * Every benchmark, one after the other: npm run bench [-- name…]. Names are those of the programs in scripts/bench.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ALL = ['capture', 'wire', 'ship', 'live', 'catch-up', 'rest', 'verify'];
const names = process.argv.length > 2 ? process.argv.slice(2) : ALL;
for (const name of names) {
  const program = fileURLToPath(new URL(`bench/${name}.ts`, import.meta.url));
  console.log(`\n# npx tsx scripts/bench/${name}.ts`);
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', program], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
