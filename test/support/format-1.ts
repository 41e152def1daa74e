/**
 * Files of format 1, recorded with the last code that wrote them: two nodes of one data set, `paris` and `lyon`, on
 * test/support/engine-node.ts with a clock that began on 2025-01-01. Neither had heard all of the other, so nothing was
 * settled. In them, on lyon:
 *   two conflicts of `item` that are open (strategy manual), and one of `stock` that was settled (version)
 *   a row of `note` in quarantine (a CHECK that only lyon has), rows of `item` that wait for a column
 *   a row of `visit`, which lyon has dropped, with its metadata table; a gap in the capture of `note`
 *   two entries in the log that are not folded
 * Rows, column stamps, vectors and tombstones are in the metadata of both.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export type RecordedNode = 'paris' | 'lyon';

const FOLDER = new URL('../golden/format-1/', import.meta.url);

export function writeFormat1(node: RecordedNode, path: string): void {
  writeFileSync(path, gunzipSync(readFileSync(new URL(`${node}.db.gz`, FOLDER))));
}
