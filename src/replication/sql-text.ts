/** The one home of quoting: identifiers and text of any spelling in generated SQL. */

/** A quoted identifier: `we"ird` → `"we""ird"`. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A quoted text literal. Names cannot hold NUL, so neither does what comes here. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** What a statement calls a table of the application's whose name means something else there. */
export const ROW_ALIAS = '_sqlsync_row';

/**
 * ` AS …` for a table that bears one of the names that mean something else in the statement: a trigger's NEW and OLD, an
 * upsert's `excluded`. Nothing for all others: the WHERE of an index may name its table.
 */
export function aliasFor(table: string, ...taken: readonly string[]): string {
  return taken.includes(table.toLowerCase()) ? ` AS ${ROW_ALIAS}` : '';
}
