/**
 * A command as it was typed, for the record of what operators did: as it can be read and typed again, and without what
 * could be a secret. Secrets have no business on a command line; credentials in a URL, and words that look like a token
 * (an invitation), are cut out all the same.
 */
import { shellWord } from './shell-word.js';

/** What is longer is cut: a list of a thousand ids says no more than its beginning. */
const COMMAND_CHARS_MAX = 1_000;
const HIDDEN = '***';
/** Longer than an id (32 hex digits), made of nothing but the digits of base64 or base32. */
const TOKEN = /^[\w+/-]{40,}=*$/;

/** @param id of the command, its topics separated by colons */
export function typedCommand(id: string, words: readonly string[]): string {
  const text = [...id.split(':'), ...words.map((word) => shellWord(withoutSecret(word)))].join(' ');
  return text.length <= COMMAND_CHARS_MAX ? text : `${text.slice(0, COMMAND_CHARS_MAX)}…`;
}

/** Of `NAME=VALUE` the value is judged. */
function withoutSecret(word: string): string {
  const [, name = '', value = word] = /^(-{0,2}[\w-]+=)(.*)$/s.exec(word) ?? [];
  if (/^[a-z][\w+.-]*:/i.test(value) && URL.canParse(value)) return name + withoutCredentials(new URL(value), value);
  const isPath = value.startsWith('/') || value.startsWith('./') || value.startsWith('../');
  return TOKEN.test(value) && !isPath ? name + HIDDEN : word;
}

function withoutCredentials(url: URL, written: string): string {
  if (!url.username && !url.password && !url.search && !url.hash && url.protocol.startsWith('http')) return written;
  // An address of another scheme, and whatever an address carries behind its path, may be an invitation.
  return url.protocol.startsWith('http') ? `${url.protocol}//${url.host}${url.pathname}` : `${url.protocol}${HIDDEN}`;
}
