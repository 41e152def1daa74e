/**
 * Unit files as text (systemd.syntax(7)), and how sqlsync knows its own again: the first line names who wrote the file
 * and the SHA-256 of everything after that line, so an edited file is no longer taken for one of ours.
 */
import { createHash } from 'node:crypto';

export interface Unit {
  /** Below the folder of units, such as `sqlsync.service` or `sqlsync@paris.service.d/sqlsync.conf`. */
  readonly name: string;
  readonly text: string;
}

/** Section → lines `Key=value`, in order. */
export type UnitSections = Readonly<Record<string, readonly string[]>>;

const MARK = '# Written by "sqlsync service install", which replaces it, and "uninstall", which removes it. SHA-256: ';
const ADVICE = '# What you change goes into a drop-in, which stays: systemctl edit';

export function unitFile(name: string, sections: UnitSections): Unit {
  const body = Object.entries(sections).map(([section, lines]) => `[${section}]\n${lines.join('\n')}\n`);
  const rest = `${ADVICE} ${name.split('/')[0]?.replace(/\.d$/, '')}\n\n${body.join('\n')}`;
  return { name, text: `${MARK}${sha256(rest)}\n${rest}` };
}

/** Is this the text of a unit as sqlsync wrote it, this version or another? */
export function isOwnUnit(text: string): boolean {
  const end = text.indexOf('\n');
  return text.startsWith(MARK) && text.slice(MARK.length, end) === sha256(text.slice(end + 1));
}

/** Does the text say that sqlsync wrote it, whatever has become of it since? */
export function claimsToBeOwn(text: string): boolean {
  return text.startsWith(MARK);
}

/** Text in which `%` stands for itself, where a value is not split into words. */
export function literal(text: string): string {
  return text.replaceAll('%', '%%');
}

/** A path or another word as a value takes it: what would end a word is quoted. */
export function unitWord(text: string): string {
  const word = literal(text);
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `"${word.replaceAll(/["\\]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\t', '\\t')}"`;
}

/** A word of a command line, in which variables would be replaced too. */
export function commandWord(text: string): string {
  return unitWord(text).replaceAll('$', '$$$$');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
