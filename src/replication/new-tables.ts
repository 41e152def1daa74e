/**
 * Tables that an application has made since this process serves its file, and that nobody has decided about. They are
 * taken in by themselves, but not at once: many a migration makes a table only to give its rows and its name to another,
 * and what it makes for that is not to be sent to anybody.
 */

/** How long a table has to be there. */
const WAIT_MS = 2_000;

/** What migration tools call the tables they make for a moment, `%` being the name of the table that is rebuilt. */
const PASSING = ['_alembic_tmp_%', 'new__%', '__new_%', 'temporary_%', '_knex_temp_alter*', '%_backup', '__old_push_%'];

export class NewTables {
  /** Name → when it was seen first, in Unix milliseconds. */
  private readonly since = new Map<string, number>();
  /** Those that could not be taken in as they are. */
  private readonly tried = new Set<string>();

  /** The schema has been read: these are there, and nobody has decided about them. */
  see(names: readonly string[], nowMs: number): void {
    const present = new Set(names);
    this.tried.clear();
    for (const name of this.since.keys()) if (!present.has(name)) this.since.delete(name);
    for (const name of names) if (!this.since.has(name)) this.since.set(name, nowMs);
  }

  /** Those that have been there for long enough. A clock that goes back does not keep them waiting. */
  ripe(nowMs: number): string[] {
    return [...this.since].filter(([, since]) => nowMs >= since + WAIT_MS || nowMs < since).map(([name]) => name);
  }

  /** Is there one to be taken in that has not been looked at since the schema was read? */
  isDue(nowMs: number): boolean {
    return this.ripe(nowMs).some((name) => !this.tried.has(name));
  }

  /** They have been looked at; what has been taken in is seen no more. */
  noteTried(names: readonly string[]): void {
    for (const name of names) this.tried.add(name);
  }

  /** Milliseconds until one is due; null: none is waiting. */
  dueInMs(nowMs: number): number | null {
    const waiting = [...this.since].filter(([name]) => !this.tried.has(name)).map(([, since]) => since);
    return waiting.length === 0 ? null : Math.max(0, Math.min(...waiting) + WAIT_MS - nowMs);
  }
}

/** Does a migration tool make a table of this name only for as long as it rebuilds another, one of `captured`? */
export function isPassing(name: string, captured: Iterable<string>): boolean {
  const tables = [...captured];
  return PASSING.some((pattern) => {
    if (pattern.endsWith('*')) return name.startsWith(pattern.slice(0, -1));
    return tables.some((table) => name === pattern.replace('%', table));
  });
}
