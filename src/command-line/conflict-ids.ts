/**
 * Ids of conflicts as they come on standard input: one a line, or JSON, so that what `sqlsync conflicts --json` prints,
 * and what jq makes of it, can be piped on.
 */
import { fstatSync } from 'node:fs';
import { SqlsyncError } from '../errors.js';
import { parseJson } from '../parse-json.js';
import { renderBytes } from '../render-figures.js';

/** Records carry images of rows. */
const INPUT_BYTES_MAX = 1024 ** 3;

/** The ids in a text: lines of ids or of objects with `id`, an array of either, or a list document. Throws `usage`. */
export function parseConflictIds(text: string): string[] {
  const whole = parseJson(text);
  if (whole !== undefined && typeof whole !== 'number') return idsIn(whole);
  const lines = text.split('\n').map((line) => line.trim());
  return lines.flatMap((line, i) => {
    if (line === '') return [];
    if (!line.startsWith('{')) return [line];
    const document = parseJson(line);
    if (document === undefined) throw new SqlsyncError('usage', `line ${i + 1} of standard input is no JSON`);
    return idsIn(document);
  });
}

function idsIn(document: unknown): string[] {
  if (typeof document === 'string') return [document];
  if (Array.isArray(document)) return document.flatMap(idsIn);
  const { id, items } = (document ?? {}) as { id?: unknown; items?: unknown };
  if (typeof id === 'string') return [id];
  if (Array.isArray(items)) return items.flatMap(idsIn);
  throw new SqlsyncError('usage', 'standard input holds JSON without an "id"', {
    hint: 'Give ids one a line, or objects with "id".',
  });
}

/** Ids from what is piped into the command; null: nothing is. */
export async function conflictIdsFromInput(signal: AbortSignal): Promise<string[] | null> {
  return isPiped() ? parseConflictIds(await readStandardInput(signal)) : null;
}

/** A terminal and /dev/null are no lists, and are not waited for. */
function isPiped(): boolean {
  try {
    const input = fstatSync(process.stdin.fd);
    return input.isFIFO() || input.isFile() || input.isSocket();
  } catch {
    return false;
  }
}

/** All of standard input, up to a bound. */
async function readStandardInput(signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const onAbort = () => process.stdin.destroy(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const chunk of process.stdin) {
      const buffer = chunk as Buffer;
      bytes += buffer.length;
      if (bytes > INPUT_BYTES_MAX) {
        throw new SqlsyncError('usage', `standard input is larger than ${renderBytes(INPUT_BYTES_MAX)}`);
      }
      chunks.push(buffer);
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
  return Buffer.concat(chunks).toString('utf8');
}
