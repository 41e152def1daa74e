/**
 * What no pragma tells about an index: the SQL of its expressions and of its WHERE, from its CREATE INDEX text.
 */
import { parseExpression, type SqlExpression } from './sql-expression.js';
import { isKeyword, type SqlToken, splitList, tokenizeSql } from './sql-tokens.js';

export interface IndexSql {
  /** Per term its SQL, without ASC or DESC. */
  readonly terms: readonly SqlExpression[];
  /** Null for an index over all rows. */
  readonly where: string | null;
}

/** Reads `CREATE [UNIQUE] INDEX name ON table(terms) [WHERE …]` of a table with these columns. */
export function parseIndexSql(sql: string, columns: readonly string[]): IndexSql {
  const tokens = tokenizeSql(sql);
  const on = tokens.findIndex((token) => isKeyword(token, 'ON'));
  const { parts, end } = splitList(tokens, on);
  const terms = parts.map((part) => parseExpression(withoutOrder(part), columns));
  const where = isKeyword(tokens[end], 'WHERE') ? parseExpression(tokens.slice(end + 1), columns).sql : null;
  return { terms, where };
}

function withoutOrder(term: readonly SqlToken[]): readonly SqlToken[] {
  const last = term.at(-1);
  return isKeyword(last, 'ASC') || isKeyword(last, 'DESC') ? term.slice(0, -1) : term;
}
