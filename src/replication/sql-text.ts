/** The one home of quoting: identifiers and text of any spelling in generated SQL. */

/** A quoted identifier: `we"ird` → `"we""ird"`. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A quoted text literal. Names cannot hold NUL, so neither does what comes here. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
