/**
 * Tables that an application has made since this process serves its file, and that nobody has decided about. They are
 * taken in by themselves, but not at once: many a migration makes a table only to give its rows and its name to another,
 * and what it makes for that is not to be sent to anybody.
 */

/** How long a table has to be there. */
const WAIT_MS = 2_000;
/** How long a migration tool may take to rebuild a table, each of whose statements may be a transaction of its own. */
const REBUILD_MS = 30_000;

/** What migration tools call the tables they make for a moment, `%` being the name of the table that is rebuilt. */
const PASSING = [
  ...['_alembic_tmp_%', 'new__%', '__new_%', 'temporary_%', '_knex_temp_alter*', '%_backup', '__old_push_%'],
  // What people call them who write their migrations by hand.
  ...['%_new', 'new_%', '%_tmp', 'tmp_%', '%_temp', 'temp_%', '%_old', 'old_%', '%_copy'],
];

export class NewTables {
  /** Name → when it was seen first, in Unix milliseconds, and how long it is waited for. */
  private readonly seen = new Map<string, { readonly since: number; readonly waitMs: number }>();
  /** Those that could not be taken in as they are. */
  private readonly tried = new Set<string>();

  /** The schema has been read: these are there, nobody has decided about them, and `captured` replicate. */
  see(names: readonly string[], captured: Iterable<string>, nowMs: number): void {
    const present = new Set(names);
    this.tried.clear();
    for (const name of this.seen.keys()) if (!present.has(name)) this.seen.delete(name);
    const tables = [...captured];
    for (const name of names) {
      if (this.seen.has(name)) continue;
      this.seen.set(name, { since: nowMs, waitMs: isPassing(name, tables) ? REBUILD_MS : WAIT_MS });
    }
  }

  /** Those that have been there for long enough. A clock that goes back does not keep them waiting. */
  ripe(nowMs: number): string[] {
    const isRipe = ({ since, waitMs }: { since: number; waitMs: number }) => nowMs >= since + waitMs || nowMs < since;
    return [...this.seen].filter(([, table]) => isRipe(table)).map(([name]) => name);
  }

  /**
   * Is a captured table being rebuilt? What is copied into it is nobody's write: its triggers are put back when the copy
   * has gone.
   */
  isRebuilding(nowMs: number): boolean {
    const ripe = new Set(this.ripe(nowMs));
    return [...this.seen].some(([name, { waitMs }]) => waitMs === REBUILD_MS && !ripe.has(name));
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
    const due = [...this.seen].filter(([name]) => !this.tried.has(name)).map(([, table]) => table.since + table.waitMs);
    return due.length === 0 ? null : Math.max(0, Math.min(...due) - nowMs);
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
