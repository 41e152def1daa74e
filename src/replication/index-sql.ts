/**
 * What no pragma tells about an index: the SQL of its expressions and of its WHERE, from its CREATE INDEX text.
 */
import { quoteText } from './sql-text.js';
import { isKeyword, renderTokens, type SqlToken, splitList, tokenizeSql } from './sql-tokens.js';

export interface IndexSql {
  /** Per term its SQL, without ASC or DESC. */
  readonly terms: readonly IndexExpression[];
  /** Null for an index over all rows. */
  readonly where: string | null;
}

export interface IndexExpression {
  readonly sql: string;
  /** The columns it is computed from, as the table spells them. */
  readonly reads: readonly string[];
}

const ROWID_NAMES = ['rowid', 'oid', '_rowid_'];

/** Reads `CREATE [UNIQUE] INDEX name ON table(terms) [WHERE …]` of a table with these columns. */
export function parseIndexSql(sql: string, columns: readonly string[]): IndexSql {
  const tokens = tokenizeSql(sql);
  const on = tokens.findIndex((token) => isKeyword(token, 'ON'));
  const { parts, end } = splitList(tokens, on);
  const known = new Map([...ROWID_NAMES, ...columns].map((column) => [column.toLowerCase(), column]));
  const terms = parts.map((part) => toExpression(withoutOrder(part), known));
  const where = isKeyword(tokens[end], 'WHERE') ? toExpression(tokens.slice(end + 1), known).sql : null;
  return { terms, where };
}

function withoutOrder(term: readonly SqlToken[]): readonly SqlToken[] {
  const last = term.at(-1);
  return isKeyword(last, 'ASC') || isKeyword(last, 'DESC') ? term.slice(0, -1) : term;
}

function toExpression(tokens: readonly SqlToken[], known: ReadonlyMap<string, string>): IndexExpression {
  const reads = new Set<string>();
  for (const token of tokens) {
    const column = token.kind === 'word' || token.kind === 'name' ? known.get(token.value.toLowerCase()) : undefined;
    if (column !== undefined) reads.add(column);
  }
  const settled = tokens.map((token, i) =>
    isKeyword(tokens[i - 1], 'COLLATE') || !isMisquotedString(token, tokens[i + 1], known) ? token : asString(token),
  );
  return { sql: renderTokens(settled), reads: [...reads] };
}

/**
 * "…" that names no column is a string to a SQLite that tolerates misquoted strings, and an error to one that does not
 * (the daemon's): it is written as the string it stands for. A table's name before a dot stays.
 */
function isMisquotedString(token: SqlToken, next: SqlToken | undefined, known: ReadonlyMap<string, string>): boolean {
  return (
    token.text.startsWith('"') && next?.text !== '.' && next?.text !== '(' && !known.has(token.value.toLowerCase())
  );
}

const asString = (token: SqlToken): SqlToken => ({ kind: 'string', text: quoteText(token.value), value: token.value });
