/**
 * What sqlsync costs when there is nothing to do: `init` of a large file, and two connected daemons at rest.
 *
 *   npx tsx scripts/bench/rest.ts [rows] [seconds]
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import SqliteDatabase from 'better-sqlite3';
import { makePair, pause, waitUntilOnline } from './pair.js';
import { ITEMS, insertItems, spread } from './workload.js';

const rows = Number(process.argv[2] ?? 1_000_000);
const restSeconds = Number(process.argv[3] ?? 30);
const BINARY = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

function timeInit(): number[] {
  const folder = mkdtempSync(join(tmpdir(), 'sqlsync-bench-'));
  try {
    const db = new SqliteDatabase(join(folder, 'large.db'));
    db.pragma('journal_mode = WAL');
    db.exec(ITEMS);
    insertItems(db, rows, 3);
    db.close();
    return Array.from({ length: 5 }, (_, i) => {
      const name = `copy${i}.db`;
      copyFileSync(join(folder, 'large.db'), join(folder, name));
      const start = process.hrtime.bigint();
      const words = [BINARY, 'init', name, '--node', 'n', '--config', `c${i}.yml`, '--secret-file', 'secret'];
      execFileSync(process.execPath, words, { cwd: folder, stdio: 'ignore' });
      return Number(process.hrtime.bigint() - start) / 1e9;
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

console.log(`init of a file with ${rows} rows, the whole command: ${spread(timeInit(), 2)} s`);

const { a, b, remove } = await makePair((db) => insertItems(db, 1000, 3));
try {
  a.start();
  b.start();
  waitUntilOnline(b);
  pause(3000);
  const before = [a.cpuSeconds(), b.cpuSeconds()] as const;
  pause(restSeconds * 1000);
  const used = [a.cpuSeconds() - before[0], b.cpuSeconds() - before[1]].map((s) =>
    ((100 * s) / restSeconds).toFixed(2),
  );
  console.log(`two connected daemons at rest for ${restSeconds} s: ${used.join(' % and ')} % of a core`);
} finally {
  await remove();
}
