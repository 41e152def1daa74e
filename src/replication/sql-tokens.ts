/**
 * A tokenizer for the SQL that SQLite keeps in sqlite_schema. The text has been accepted by SQLite's own parser, so
 * only what divides it matters: quotes of all four kinds, comments, blobs, numbers, and operators of two characters.
 */

export interface SqlToken {
  /** `name` is quoted ("…", `…`, […]), `word` bare, `string` '…'; `other` numbers, blobs, operators, punctuation. */
  readonly kind: 'word' | 'name' | 'string' | 'other';
  /** As written. */
  readonly text: string;
  /** What an identifier names, unquoted; '' for `other`. */
  readonly value: string;
}

/** Everything beyond ASCII belongs to names, even what looks like a space. */
const TOKEN_KINDS = [
  /(?<space>[ \t\n\f\r]+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))/,
  /(?<blob>[xX]'[^']*')/,
  /(?<string>'(?:[^']|'')*')/,
  /(?<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])/,
  /(?<number>0[xX][0-9a-fA-F_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?[\d_]+)?)/,
  /(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)/,
  /(?<operator>->>|->|\|\||<<|>>|<=|>=|<>|!=|==|[\s\S])/,
];
const TOKEN = new RegExp(TOKEN_KINDS.map((kind) => kind.source).join('|'), 'y');

/** The tokens of one statement, without white space and comments. */
export function tokenizeSql(sql: string): SqlToken[] {
  const tokens: SqlToken[] = [];
  for (let at = 0; at < sql.length; ) {
    TOKEN.lastIndex = at;
    const groups = TOKEN.exec(sql)?.groups;
    if (groups === undefined) throw new Error(`no token at ${at} of ${sql}`);
    at = TOKEN.lastIndex;
    if (groups.space === undefined) tokens.push(toToken(groups));
  }
  return tokens;
}

function toToken(groups: Record<string, string | undefined>): SqlToken {
  const { word, name, string } = groups;
  if (word !== undefined) return { kind: 'word', text: word, value: word };
  if (name !== undefined) return { kind: 'name', text: name, value: unquote(name) };
  if (string !== undefined) return { kind: 'string', text: string, value: unquote(string) };
  return { kind: 'other', text: groups.blob ?? groups.number ?? groups.operator ?? '', value: '' };
}

function unquote(text: string): string {
  const quote = text.charAt(0);
  const inner = text.slice(1, -1);
  return quote === '[' ? inner : inner.replaceAll(quote + quote, quote);
}

/** Is this the bare keyword? Keywords are compared as SQLite does, whatever their case. */
export function isKeyword(token: SqlToken | undefined, keyword: string): boolean {
  return token?.kind === 'word' && token.text.toUpperCase() === keyword;
}

/**
 * The parts between the commas of the first parenthesised list at or after `from`, and where the list ends (the place
 * after its closing parenthesis). Commas within nested parentheses do not divide.
 */
export function splitList(
  tokens: readonly SqlToken[],
  from = 0,
): { readonly parts: SqlToken[][]; readonly end: number } {
  let at = tokens.findIndex((token, i) => i >= from && token.text === '(') + 1;
  const parts: SqlToken[][] = [[]];
  for (let depth = 1; at < tokens.length; at++) {
    const token = tokens[at] as SqlToken;
    if (token.text === '(') depth++;
    if (token.text === ')' && --depth === 0) break;
    if (token.text === ',' && depth === 1) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return { parts, end: at + 1 };
}

/** SQL that reads as the tokens do. Comments are gone, so it can stand inside another statement. */
export function renderTokens(tokens: readonly SqlToken[]): string {
  return tokens.map((token) => token.text).join(' ');
}
