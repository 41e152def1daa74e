/** The room that sqlsync's own tables take in the file: change log, row metadata, records. Looks at their pages only. */
import type { Database } from 'better-sqlite3';
import { PREFIX } from './metadata-schema.js';
import type { Slices } from './slices.js';

/** A slice for each table and index. */
export function* readRetainedBytes(db: Database): Slices<number> {
  const names = db
    .prepare(
      `SELECT name FROM sqlite_schema WHERE rootpage > 0 AND substr(tbl_name, 1, ${PREFIX.length}) = '${PREFIX}'`,
    )
    .pluck()
    .all() as string[];
  const sizeOf = db.prepare('SELECT sum(pgsize) FROM dbstat WHERE name = ? AND aggregate = TRUE').pluck();
  let bytes = 0;
  for (const name of names) {
    bytes += Number(sizeOf.get(name) ?? 0);
    yield;
  }
  return bytes;
}
