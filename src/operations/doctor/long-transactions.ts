/**
 * Transactions of other processes that stay open, told by the byte ranges that SQLite locks (https://sqlite.org/walformat.html,
 * section 2.3.1, and https://sqlite.org/lockingv3.html). A lock tells nothing of its age: what is there at every one of several
 * looks has stood for that long, or is a program that is never at rest.
 */
import type { DoctorHost, FileHolder, FileLockRange, HolderSearch } from './host.js';

/** Bytes of the -shm file: a mark for each of up to five readers, and the writer's. */
const WAL_BYTES = { readers: [123, 127], writer: [120, 120] } as const;
/** Bytes of the database file in rollback mode: SHARED and RESERVED. */
const ROLLBACK_BYTES = { readers: [0x40000002, 0x400001ff], writer: [0x40000001, 0x40000001] } as const;

const LOOKS = 3;
const LOOK_EVERY_MS = 400;

export interface LongTransaction {
  readonly pid: number;
  readonly program: string;
  readonly kind: 'reader' | 'writer';
  readonly atLeastMs: number;
}

/** Looks again only while something is there to be seen. `isWal`: in WAL mode every connection has the file locked as a reader has. */
export async function findLongTransactions(
  first: HolderSearch,
  paths: readonly string[],
  isWal: boolean,
  host: Pick<DoctorHost, 'findHolders' | 'pause'>,
): Promise<LongTransaction[]> {
  let open = transactionsOf(first.holders, isWal);
  for (let look = 1; look < LOOKS && open.length > 0; look += 1) {
    await host.pause(LOOK_EVERY_MS);
    const now = transactionsOf(host.findHolders(paths).holders, isWal);
    open = open.filter(({ pid, kind }) => now.some((other) => other.pid === pid && other.kind === kind));
  }
  return open.map((transaction) => ({ ...transaction, atLeastMs: (LOOKS - 1) * LOOK_EVERY_MS }));
}

function transactionsOf(holders: readonly FileHolder[], isWal: boolean): Omit<LongTransaction, 'atLeastMs'>[] {
  const bytes = isWal ? WAL_BYTES : ROLLBACK_BYTES;
  return holders.flatMap(({ pid, program, files }) => {
    const locks = files.filter(({ path }) => path.endsWith('-shm') === isWal).flatMap((file) => file.locks);
    const isReading = locks.some((lock) => !lock.exclusive && overlaps(lock, bytes.readers));
    const isWriting = locks.some((lock) => lock.exclusive && overlaps(lock, bytes.writer));
    const kinds = [...(isReading ? (['reader'] as const) : []), ...(isWriting ? (['writer'] as const) : [])];
    return kinds.map((kind) => ({ pid, program, kind }));
  });
}

/** The system joins ranges that touch. */
function overlaps(lock: FileLockRange, [start, end]: readonly [number, number]): boolean {
  return lock.start <= end && lock.end >= start;
}
