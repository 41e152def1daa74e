/**
 * An application's migrations, as its ORM runs them on a file of its own. They know nothing of sqlsync. All make the same
 * tables, so that one test plays with each:
 *   1  customers(id, name, age, email), orders(id, customer_id, total)
 *   2  customers(id, label, age, city): a column added, one of another type and default, one renamed, one dropped
 */
export type Step = 1 | 2;

export interface OrmProgram {
  readonly name: string;
  /** Why it cannot be run on this machine; null when it can. */
  readonly missing: string | null;
  /** Brings the file up to a step. */
  migrate(path: string, upTo: Step): Promise<void>;
}
