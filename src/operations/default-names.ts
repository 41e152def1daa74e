/** Names that `init` and `join` choose when the operator gives none: valid for the configuration, and recognisable. */
import { basename } from 'node:path';

const NAME_CHARS_MAX = 63;

/** Endings that say of a file only that it is a database. */
const DATABASE_ENDING = /\.(?:db3?|sqlite3?)$/i;

/** The first label of the host's name, in the letters that a node's name may have. */
export function nodeNameFromHost(hostname: string): string {
  const [label = ''] = hostname.split('.');
  return validName(label, /[^a-zA-Z0-9_-]+/g) || 'node';
}

/** The file's name without the ending that all databases have. */
export function databaseNameFromPath(path: string): string {
  return validName(basename(path).replace(DATABASE_ENDING, ''), /[^a-zA-Z0-9._-]+/g) || 'database';
}

function validName(text: string, foreign: RegExp): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(foreign, '-')
    .replace(/^[^a-zA-Z0-9]+/, '')
    .slice(0, NAME_CHARS_MAX)
    .replace(/-+$/, '');
}
