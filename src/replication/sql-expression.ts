/** Expressions out of a schema's text, made fit to stand inside a statement of ours. */
import { quoteText } from './sql-text.js';
import { isKeyword, renderTokens, type SqlToken } from './sql-tokens.js';

export interface SqlExpression {
  readonly sql: string;
  /** The columns it is computed from, as the table spells them (and a few too many: a column may be called like a function). */
  readonly reads: readonly string[];
}

const ROWID_NAMES = ['rowid', 'oid', '_rowid_'];

/** The expression that these tokens spell, over a table of these columns. */
export function parseExpression(tokens: readonly SqlToken[], columns: readonly string[]): SqlExpression {
  const known = new Map(columns.map((column) => [column.toLowerCase(), column]));
  const reads = new Set<string>();
  for (const token of tokens) {
    const column = token.kind === 'word' || token.kind === 'name' ? known.get(token.value.toLowerCase()) : undefined;
    if (column !== undefined) reads.add(column);
  }
  const isColumn = (name: string) => known.has(name.toLowerCase()) || ROWID_NAMES.includes(name.toLowerCase());
  const settled = tokens.map((token, i) =>
    isMisquotedString(token, tokens[i - 1], tokens[i + 1], isColumn) ? asString(token) : token,
  );
  return { sql: renderTokens(settled), reads: [...reads] };
}

/**
 * "…" that names no column is a string to a SQLite that tolerates misquoted strings, and an error to one that does not
 * (the daemon's): it is written as the string it stands for. Names of tables, functions and collations stay.
 */
function isMisquotedString(
  token: SqlToken,
  previous: SqlToken | undefined,
  next: SqlToken | undefined,
  isColumn: (name: string) => boolean,
): boolean {
  if (!token.text.startsWith('"') || next?.text === '.' || next?.text === '(') return false;
  return !isKeyword(previous, 'COLLATE') && !isColumn(token.value);
}

const asString = (token: SqlToken): SqlToken => ({ kind: 'string', text: quoteText(token.value), value: token.value });
