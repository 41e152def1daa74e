/**
 * The tables and sessions that a stream has named so far: its rows refer to them by number. They come from a peer, so
 * what does not hold together is SqlsyncError 'batch-damaged'; the peer's own words are kept out of the message.
 */
import { SqlsyncError } from '../errors.js';
import { isSessionName } from './version-vector.js';
import type { TableDefinition } from './wire-messages.js';

/** Bounds on what one stream may name. */
export const TABLES_MAX = 65_536;
export const SESSIONS_MAX = 100_000;

/** What reading a table's rows takes. */
export interface StreamTable {
  readonly columnCount: number;
  /** Places of the key columns among the columns, in the key's order. */
  readonly keyPlaces: readonly number[];
}

export class StreamNames {
  private readonly tables: StreamTable[] = [];
  private readonly shapes = new Set<string>();
  private readonly sessions: string[] = [];
  private readonly sessionNames = new Set<string>();

  get tableCount(): number {
    return this.tables.length;
  }

  get sessionCount(): number {
    return this.sessions.length;
  }

  table(index: number): StreamTable | undefined {
    return this.tables[index];
  }

  session(index: number): string | undefined {
    return this.sessions[index];
  }

  addTable(definition: TableDefinition): void {
    const { columns, affinities, key, collations } = definition;
    const damaged = (problem: string) =>
      new SqlsyncError('batch-damaged', `definition of table ${this.tables.length}: ${problem}`);
    if (this.tables.length === TABLES_MAX) throw damaged(`a stream defines at most ${TABLES_MAX}`);
    // Rows that a node has kept aside may have other columns than its table.
    const shape = JSON.stringify(definition);
    if (this.shapes.has(shape)) throw damaged('the stream has defined it before');
    if (affinities.length !== columns.length) throw damaged('not every column has an affinity');
    if (collations.length !== key.length) throw damaged('not every key column has a collation');
    const places = new Map(columns.map((column, place) => [column, place]));
    if (places.size !== columns.length) throw damaged('two columns have the same name');
    if (new Set(key).size !== key.length) throw damaged('the key names a column twice');
    const keyPlaces = key.map((column, i) => {
      const place = places.get(column);
      if (place === undefined) throw damaged(`key column ${i} is not among the columns`);
      return place;
    });
    this.shapes.add(shape);
    this.tables.push({ columnCount: columns.length, keyPlaces });
  }

  addSessions(names: readonly string[]): void {
    for (const name of names) {
      const damaged = (problem: string) =>
        new SqlsyncError('batch-damaged', `session ${this.sessions.length}: ${problem}`);
      if (this.sessions.length === SESSIONS_MAX) throw damaged(`a stream lists at most ${SESSIONS_MAX}`);
      if (!isSessionName(name)) throw damaged('this is no session name');
      if (this.sessionNames.has(name)) throw damaged('the stream has listed it before');
      this.sessionNames.add(name);
      this.sessions.push(name);
    }
  }
}
