/** What went of a database's history, and who holds the rest, for people. */
import type { HistoryReport, HolderReport, PruneReport } from '../operations/prune-databases.js';
import { renderBytes, renderCount, renderSeconds } from '../render-figures.js';

/** Text without a final newline. */
export function renderPrune(report: PruneReport, now: Date): string {
  const { database, dryRun, removed, left, holders, fileBytes, freeBytes, vacuumedBytes } = report;
  return [
    `${database}: ${dryRun ? 'can go' : 'gone'}: ${history(removed)}`,
    `  stays: ${history(left)}`,
    ...report.evicted.map((name) => `  ${name} was evicted: silent for longer than prune.peerTimeout`),
    ...report.undecided.map(
      (name) => `  ${name} has been silent for longer than prune.peerTimeout: sqlsync members remove ${name}`,
    ),
    ...holders.map((holder) => `  ${holderLine(holder, now)}`),
    `  the file has ${renderBytes(fileBytes)}, ${renderBytes(freeBytes)} of them free`,
    ...(vacuumedBytes === null ? [] : [`  ${renderBytes(vacuumedBytes)} given back to the disk`]),
  ].join('\n');
}

function history({ logEntries, rows, bytes }: HistoryReport): string {
  const entries = renderCount(logEntries, 'log entry', 'log entries');
  return `${entries}, metadata of ${renderCount(rows, 'row')}, about ${renderBytes(bytes)}`;
}

const WHY: Record<HolderReport['why'], string> = {
  unheard: 'has never been heard of',
  lacks: 'has not acknowledged what is here',
  aside: 'keeps changes aside that it cannot apply',
  ahead: 'has changes that are not here yet',
  quiet: 'has not been heard of since',
};

function holderLine({ member, why, changes, bytes, lastHeardAt }: HolderReport, now: Date): string {
  const silence = lastHeardAt === null ? null : (now.getTime() - Date.parse(lastHeardAt)) / 1000;
  const heard = silence === null ? '' : `, last heard of ${renderSeconds(silence)} ago`;
  return `held by ${member}: ${renderCount(changes, 'row')}, about ${renderBytes(bytes)}: it ${WHY[why]}${heard}`;
}
