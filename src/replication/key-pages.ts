/** A table read in pages of its keys, each by a statement of its own, so that no reader stays open between them. */
import type { Database, Statement } from 'better-sqlite3';
import { ExactStatement } from './exact-values.js';
import type { SqlValue } from './row-version.js';

export interface PagedQuery<Row> {
  /** The rows, given a further condition on the key, which begins with AND or is empty. */
  readonly rowsSql: (range: string) => string;
  /** The last row of the page that begins beyond the condition; none: it is the last page. */
  readonly boundSql: (range: string) => string;
  /** The key's columns as they are ordered. */
  readonly terms: readonly string[];
  readonly keyOf: (row: Row) => SqlValue[];
}

export function* readPages<Row>(db: Database, query: PagedQuery<Row>): Generator<Row> {
  const { rowsSql, boundSql, terms, keyOf } = query;
  const width = terms.length;
  const beyond = (parameters: readonly string[]) => ` AND ${compared(terms, '>', parameters.slice(0, width))}`;
  const within = (parameters: readonly string[]) => ` AND ${compared(terms, '<=', parameters.slice(-width))}`;
  const exact = (sql: (range: string) => string, count: number, range: (parameters: readonly string[]) => string) => {
    const raw = (statement: Statement<unknown[], Row>) => statement.raw().safeIntegers() as Statement<unknown[], Row>;
    return new ExactStatement<Row>(db, count * width, (parameters) => sql(range(parameters)), raw);
  };
  const firstBound = exact(boundSql, 0, () => '');
  const nextBound = exact(boundSql, 1, beyond);
  const firstRows = exact(rowsSql, 1, within);
  const nextRows = exact(rowsSql, 2, (parameters) => beyond(parameters) + within(parameters));
  const lastRows = exact(rowsSql, 1, beyond);
  let after: SqlValue[] | null = null;
  for (;;) {
    const [bound] = after === null ? firstBound.all([]) : nextBound.all(after);
    if (bound === undefined) {
      yield* after === null ? exact(rowsSql, 0, () => '').all([]) : lastRows.all(after);
      return;
    }
    const upTo = keyOf(bound);
    yield* after === null ? firstRows.all(upTo) : nextRows.all([...after, ...upTo]);
    after = upTo;
  }
}

function compared(terms: readonly string[], operator: string, parameters: readonly string[]): string {
  if (terms.length === 1) return `${terms[0]} ${operator} ${parameters[0]}`;
  return `(${terms.join(', ')}) ${operator} (${parameters.join(', ')})`;
}
