/** The changes that a file remembers, newest first: page by page. */
import type { DatabaseConfig } from '../config.js';
import { cursorOf, type Page, placeOf } from '../page.js';
import { identityIn } from './assert-initialised.js';
import { type ChangeQuery, type ChangeReport, changeReport, openHistory } from './change-report.js';
import type { DatabaseFiles } from './database-files.js';

export function listChanges(
  { name, path }: DatabaseConfig,
  query: ChangeQuery & { readonly cursor: string | undefined; readonly limit: number },
  files: Pick<DatabaseFiles, 'withSnapshot'>,
): Page<ChangeReport> {
  const [hlc, arrival] = query.cursor === undefined ? [] : (placeOf(query.cursor, ['number', 'number']) as number[]);
  const from = hlc === undefined || arrival === undefined ? null : { hlc, arrival };
  return files.withSnapshot(path, (db) => {
    identityIn(db, path);
    const history = openHistory(db, query);
    const { changes, place, more } = history.before(from, query.limit);
    return {
      items: changes.map((change) => changeReport(name, change)),
      total: history.count(),
      nextCursor: more ? cursorOf([place.hlc, place.arrival]) : null,
    };
  });
}
