/**
 * A configuration file as data: YAML read, `${VAR}` expanded, SQLSYNC_* laid over it, and for every value the line on
 * which it stands.
 */
import { resolve } from 'node:path';
import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parseDocument, visit } from 'yaml';

/** A mistake and its place. */
export interface ConfigIssue {
  /** `peers[0].url`; empty for the file as a whole. */
  readonly path: string;
  /** Line in the file, from 1; null when the value comes from the environment. */
  readonly line: number | null;
  readonly message: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;
export type ValuePath = readonly (string | number)[];

/** Variables that stand above the file, and the value each replaces. */
export const OVERRIDES: Readonly<Record<string, readonly string[]>> = {
  SQLSYNC_NODE: ['node'],
  SQLSYNC_LISTEN: ['listen'],
  SQLSYNC_SECRET_FILE: ['secretFile'],
  SQLSYNC_ADMIN_LISTEN: ['admin', 'listen'],
  SQLSYNC_LOG_LEVEL: ['log', 'level'],
  SQLSYNC_LOG_FORMAT: ['log', 'format'],
};

export interface ConfigDocument {
  readonly data: Readonly<Record<string, unknown>>;
  /** False: the text is no YAML mapping, and `data` says nothing. */
  readonly isReadable: boolean;
  /** Syntax errors and variables that are not set. */
  readonly issues: readonly ConfigIssue[];
  /** The line of a value or, where there is none, of what it should stand in. */
  readonly lineOf: (path: ValuePath) => number | null;
}

export function formatPath(path: ValuePath): string {
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`),
    '',
  );
}

export function readConfigDocument(text: string, env: Environment): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const lineAt = (offset: number | undefined) => (offset === undefined ? null : lines.linePos(offset).line);
  const lineOf = (path: ValuePath) => (isOverridden(path, env) ? null : lineAt(offsetOf(document, path)));

  const syntax = document.errors.map((error) => ({
    path: '',
    line: lineAt(error.pos[0]),
    message: error.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? error.code,
  }));
  if (syntax.length > 0) return { data: {}, isReadable: false, issues: syntax, lineOf };
  if (document.contents !== null && !isMap(document.contents)) {
    const issue = { path: '', line: 1, message: 'must be a mapping of keys to values' };
    return { data: {}, isReadable: false, issues: [issue], lineOf };
  }
  const missing = expandVariables(document, env).map(({ name, offset }) => ({
    path: '',
    line: lineAt(offset),
    message: `\${${name}} is not set in the environment`,
  }));
  return { data: layOver(document.toJS() ?? {}, env), isReadable: true, issues: missing, lineOf };
}

/** Replaces `${VAR}` in every value; returns the variables that are not set. */
function expandVariables(document: Document, env: Environment): { name: string; offset: number | undefined }[] {
  const missing: { name: string; offset: number | undefined }[] = [];
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string') return;
      node.value = node.value.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (written, name: string) => {
        const value = env[name];
        if (value === undefined) missing.push({ name, offset: node.range?.[0] });
        return value ?? written;
      });
    },
  });
  return missing;
}

function layOver(data: Record<string, unknown>, env: Environment): Record<string, unknown> {
  const result = { ...data };
  for (const [name, [section, key]] of Object.entries(OVERRIDES)) {
    if (!env[name] || section === undefined) continue;
    // A path from the environment is relative to where the command was typed, not to the file.
    const value = section === 'secretFile' ? resolve(env[name]) : env[name];
    result[section] = key === undefined ? value : { ...(result[section] as object | undefined), [key]: value };
  }
  return result;
}

function isOverridden(path: ValuePath, env: Environment): boolean {
  return Object.entries(OVERRIDES).some(([name, place]) => env[name] && place.every((step, i) => path[i] === step));
}

/** Where a value begins in the text; for what is missing, where its nearest ancestor does. */
function offsetOf(document: Document, path: ValuePath): number | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const step = path[length - 1];
    const pair = isMap(parent)
      ? parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === step)
      : undefined;
    const node = pair?.key ?? document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.contents?.range?.[0];
}
