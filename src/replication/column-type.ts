/**
 * What SQLite makes of a column's declaration: its affinity (https://sqlite.org/datatype3.html, section 3.1) and its
 * collation, which no pragma reports.
 */
import { isKeyword, splitList, tokenizeSql } from './sql-tokens.js';
import type { Affinity } from './table-schema.js';

/** The affinity of a declared type. STRICT tables know a handful of types, of which ANY converts nothing. */
export function affinityOf(declaredType: string, strict: boolean): Affinity {
  const type = declaredType.toUpperCase();
  if (strict && type === 'ANY') return 'BLOB';
  if (type.includes('INT')) return 'INTEGER';
  if (/CHAR|CLOB|TEXT/.test(type)) return 'TEXT';
  if (type === '' || type.includes('BLOB')) return 'BLOB';
  if (/REAL|FLOA|DOUB/.test(type)) return 'REAL';
  return 'NUMERIC';
}

/**
 * The collations of the first `count` columns of a CREATE TABLE text. COLLATE outside of parentheses can only be the
 * column's own constraint, and the last of several counts.
 */
export function columnCollations(createTable: string, count: number): string[] {
  if (!/collate/i.test(createTable)) return Array.from({ length: count }, () => 'BINARY');
  const { parts } = splitList(tokenizeSql(createTable));
  return parts.slice(0, count).map((definition) => {
    let depth = 0;
    let collation = 'BINARY';
    for (const [i, token] of definition.entries()) {
      if (token.text === '(') depth++;
      else if (token.text === ')') depth--;
      else if (depth === 0 && i > 0 && isKeyword(token, 'COLLATE')) collation = definition[i + 1]?.value ?? collation;
    }
    return canonicalCollation(collation);
  });
}

/** Collations are named whatever their case; the built-in ones are written in capitals here. */
export function canonicalCollation(name: string): string {
  const upper = name.toUpperCase();
  return upper === 'BINARY' || upper === 'NOCASE' || upper === 'RTRIM' ? upper : name;
}
