/**
 * What no pragma tells about a column: its collation, and what it is generated from. Read from the CREATE TABLE text.
 */
import { canonicalCollation } from './column-type.js';
import { parseExpression, type SqlExpression } from './sql-expression.js';
import { isKeyword, type SqlToken, splitList, tokenizeSql } from './sql-tokens.js';

export interface ColumnDefinition {
  readonly collation: string;
  /** Null for a column that is not generated. */
  readonly generator: SqlExpression | null;
}

const PLAIN: ColumnDefinition = { collation: 'BINARY', generator: null };

/** The definitions of the named columns, which come first and in this order in the text. */
export function readColumnDefinitions(createTable: string, columns: readonly string[]): ColumnDefinition[] {
  if (!/collate|\bas\b/i.test(createTable)) return columns.map(() => PLAIN);
  const { parts } = splitList(tokenizeSql(createTable));
  return columns.map((_, i) => readDefinition(parts[i] ?? [], columns));
}

/** Outside of parentheses COLLATE and AS can only be the column's own constraints; of several COLLATE the last counts. */
function readDefinition(tokens: readonly SqlToken[], columns: readonly string[]): ColumnDefinition {
  let { collation, generator } = PLAIN;
  let depth = 0;
  for (const [i, token] of tokens.entries()) {
    if (token.text === '(') depth++;
    else if (token.text === ')') depth--;
    else if (depth === 0 && i > 0 && isKeyword(token, 'COLLATE')) collation = tokens[i + 1]?.value ?? collation;
    else if (depth === 0 && i > 0 && isKeyword(token, 'AS')) {
      generator = parseExpression(insideParentheses(tokens, i), columns);
    }
  }
  return { collation: canonicalCollation(collation), generator };
}

function insideParentheses(tokens: readonly SqlToken[], from: number): SqlToken[] {
  const { end } = splitList(tokens, from);
  const start = tokens.findIndex((token, i) => i >= from && token.text === '(');
  return tokens.slice(start + 1, end - 1);
}
