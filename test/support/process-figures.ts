/** What Linux tells of a running process. */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessFigures {
  readonly atMs: number;
  readonly memoryBytes: number;
  readonly descriptors: number;
}

/** proc_pid_status(5) and proc_pid_fd(5). Throws when the process is gone. */
export function readProcessFigures(pid: number): ProcessFigures {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (kib === undefined) throw new Error(`process ${pid} has no memory any more`);
  return {
    atMs: performance.now(),
    memoryBytes: Number(kib) * 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}
