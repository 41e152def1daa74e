/** What SQLite makes of a declared type (https://sqlite.org/datatype3.html, section 3.1) and of a collation's name. */
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

/** Collations are named whatever their case; the built-in ones are written in capitals here. */
export function canonicalCollation(name: string): string {
  const upper = name.toUpperCase();
  return upper === 'BINARY' || upper === 'NOCASE' || upper === 'RTRIM' ? upper : name;
}
