/**
 * Changes to a configuration file that leave the operator's comments, order and spelling alone. A change that would
 * make the file wrong is refused with config-invalid before anything is written; a file is replaced as a whole.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { Document, isMap, isScalar, isSeq, parseDocument, type YAMLMap, YAMLSeq } from 'yaml';
import { writeFileAtomic } from './atomic-write.js';
import { parseConfig } from './config.js';
import type { Environment } from './config-document.js';

/** What to set or add. Keys that are absent stay as they are. */
export interface ConfigAdditions {
  readonly node?: string;
  /** `host:port` */
  readonly listen?: string;
  readonly secretFile?: string;
  readonly tls?: TlsAddition;
  readonly database?: { readonly name: string; readonly path: string };
  readonly peer?: PeerAddition;
}

/** Paths of PEM files. */
export interface TlsAddition {
  readonly cert: string;
  readonly key: string;
}

export interface PeerAddition {
  readonly name: string;
  readonly url: string;
  readonly fingerprint?: string | undefined;
  readonly databases?: readonly string[];
  readonly direction?: 'both' | 'push' | 'pull';
  readonly schedule?: string | null;
  readonly live?: boolean;
}

export type EditOutcome = 'created' | 'changed' | 'unchanged';

const HEADER =
  ' sqlsync configuration. `sqlsync config check` checks it, `sqlsync config show` shows it with all defaults.';

/**
 * Adds to the file, or creates it (mode 0600). Entries of the same name are extended in place. Paths are taken as
 * relative to the working directory, and written relative to the file where they lie below its folder.
 */
export function extendConfigFile(
  file: string,
  additions: ConfigAdditions,
  env: Environment = process.env,
): EditOutcome {
  return writeEdit(prepareEdit(resolve(file), env, (document, target) => applyAdditions(document, target, additions)));
}

/** Throws what extendConfigFile would throw for a wrong configuration, and writes nothing. */
export function checkConfigAdditions(
  file: string,
  additions: ConfigAdditions,
  env: Environment = process.env,
): EditOutcome {
  return prepareEdit(resolve(file), env, (document, target) => applyAdditions(document, target, additions)).outcome;
}

function applyAdditions(document: Document, target: string, additions: ConfigAdditions): void {
  const { node, listen, secretFile, tls, database, peer } = additions;
  if (node !== undefined) document.set('node', node);
  if (listen !== undefined) document.set('listen', listen);
  if (secretFile !== undefined) document.set('secretFile', pathFrom(target, secretFile));
  for (const [key, path] of Object.entries(tls ?? {})) document.setIn(['tls', key], pathFrom(target, path));
  if (database) putEntry(document, 'databases', { ...database, path: pathFrom(target, database.path) });
  if (peer) putEntry(document, 'peers', { ...peer });
}

/** Takes out the peer of that name. Returns `unchanged` when there is none. */
export function removePeerFromFile(file: string, name: string, env: Environment = process.env): EditOutcome {
  return writeEdit(prepareEdit(resolve(file), env, (document) => removeEntry(document, 'peers', name)));
}

/** Takes out the database of that name, from peers too: one that exchanged nothing else goes with it. */
export function removeDatabaseFromFile(file: string, name: string, env: Environment = process.env): EditOutcome {
  return writeEdit(
    prepareEdit(resolve(file), env, (document) => {
      removeEntry(document, 'databases', name);
      for (const peer of entriesOf(document, 'peers')) {
        const exchanged = peer.get('databases');
        if (!isSeq(exchanged)) continue;
        exchanged.items = exchanged.items.filter((item) => !(isScalar(item) && item.value === name));
        if (exchanged.items.length === 0) removeEntry(document, 'peers', String(peer.get('name')));
      }
    }),
  );
}

function removeEntry(document: Document, list: string, name: string): void {
  const entries = document.get(list);
  if (isSeq(entries)) entries.items = entries.items.filter((entry) => !isMap(entry) || entry.get('name') !== name);
}

function entriesOf(document: Document, list: string): YAMLMap[] {
  const entries = document.get(list);
  return isSeq(entries) ? entries.items.filter((entry): entry is YAMLMap => isMap(entry)) : [];
}

interface PreparedEdit {
  readonly target: string;
  readonly text: string;
  readonly outcome: EditOutcome;
}

/** What the file is to hold after the edit, checked. */
function prepareEdit(
  target: string,
  env: Environment,
  edit: (document: Document, target: string) => void,
): PreparedEdit {
  const isNew = !existsSync(target);
  const before = isNew ? '' : readFileSync(target, 'utf8');
  const document = isNew ? new Document({}) : parseDocument(before);
  const { contents, errors } = document;
  // What is no mapping cannot be extended; checking it throws and says where and why.
  if (errors.length > 0 || (contents !== null && !isMap(contents))) parseConfig(before, target, env);
  if (contents === null) document.contents = document.createNode({});
  if (isNew) document.commentBefore = HEADER;

  const valuesBefore = JSON.stringify(document.toJS());
  edit(document as Document, target);
  if (JSON.stringify(document.toJS()) === valuesBefore) return { target, text: before, outcome: 'unchanged' };
  const text = document.toString({ lineWidth: 0 });
  parseConfig(text, target, env);
  return { target, text, outcome: isNew ? 'created' : 'changed' };
}

function writeEdit({ target, text, outcome }: PreparedEdit): EditOutcome {
  if (outcome !== 'unchanged') writeFileAtomic(target, text, 0o600);
  return outcome;
}

/** Extends the entry of that name in a list, or adds one. */
function putEntry(document: Document, list: string, entry: Readonly<Record<string, unknown>> & { name: string }): void {
  const found = document.get(list);
  const entries = isSeq(found) ? found : new YAMLSeq();
  if (entries !== found) document.set(list, entries);
  const existing = entriesOf(document, list).find((item) => item.get('name') === entry.name);
  if (!existing) {
    entries.add(document.createNode(withoutUndefined(entry)));
    return;
  }
  for (const [key, value] of Object.entries(withoutUndefined(entry))) {
    if (JSON.stringify(existing.toJSON()[key]) !== JSON.stringify(value)) existing.set(key, document.createNode(value));
  }
}

function withoutUndefined(entry: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined));
}

function pathFrom(file: string, path: string): string {
  const absolute = resolve(path);
  const steps = relative(dirname(file), absolute);
  return steps.startsWith('..') || steps === '' ? absolute : `./${steps}`;
}
