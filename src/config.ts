/**
 * The configuration: found, read, checked as a whole, and given to everybody as one typed value with every default
 * filled in and every path absolute. A mistake is a `config-invalid` that names them all, each with its place.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { findContradictions } from './config-contradictions.js';
import {
  type ConfigDocument,
  type ConfigIssue,
  type Environment,
  formatPath,
  readConfigDocument,
  type ValuePath,
} from './config-document.js';
import { type ConfigSections, configSchema, type DatabaseConfig } from './config-schema.js';
import { findConfigFile, type SearchOptions } from './config-search.js';
import { SqlsyncError } from './errors.js';
import { shellWord } from './shell-word.js';

export type { Limits } from './config-limits.js';
export type { DatabaseConfig, PeerConfig } from './config-schema.js';

/** A whole, valid configuration. Paths are absolute, durations in milliseconds, sizes in bytes; null: not set. */
export interface Config extends Readonly<ConfigSections> {
  /** The absolute path of the file it was read from. */
  readonly file: string;
}

/** A value in a message is cut after so many characters. */
const VALUE_CHARS_MAX = 60;

/** Finds, reads and checks the configuration. Throws config-missing or config-invalid. */
export function loadConfig(options: SearchOptions = {}): Config {
  const file = findConfigFile(options);
  return parseConfig(readFileSync(file, 'utf8'), file, options.env);
}

/** Checks the text of a configuration that stands, or is to stand, at `file` (absolute). */
export function parseConfig(text: string, file: string, env: Environment = process.env): Config {
  const document = readConfigDocument(text, env);
  if (!document.isReadable) throw invalid(file, document.issues);
  const data = withoutEmptySections(document.data);
  const result = configSchema.safeParse(data);
  const found = [
    ...(result.success ? [] : result.error.issues.flatMap((issue) => describeIssue(issue, data, document))),
    ...findContradictions(data).map(({ path, message }) => ({
      path: formatPath(path),
      line: document.lineOf(path),
      message: withValue(valueAt(data, path), message),
    })),
  ];
  // A value that lacks its variable is wrong for that reason alone.
  const unset = new Set(document.issues.map((issue) => issue.line));
  const issues = [...document.issues, ...found.filter((issue) => !unset.has(issue.line))];
  if (!result.success || issues.length > 0) throw invalid(file, issues);
  return withAbsolutePaths(result.data, file);
}

/**
 * The database that an operation is about: the one named (by name or path), or the only one there is.
 * Throws database-ambiguous when it must be named.
 */
export function pickDatabase(config: Config, nameOrPath: string | undefined): DatabaseConfig {
  const { databases } = config;
  const names = databases.map((database) => database.name).join(', ') || 'none';
  if (nameOrPath === undefined) {
    const [only] = databases;
    if (only && databases.length === 1) return only;
    const message = only ? `which database? ${config.file} has ${names}` : `${config.file} has no database`;
    const hint = only ? 'Name it: --database NAME' : '`sqlsync init DB` adds one.';
    throw new SqlsyncError('database-ambiguous', message, { hint });
  }
  const absolute = resolve(nameOrPath);
  const found = databases.find(({ name, path }) => name === nameOrPath || path === absolute);
  if (found) return found;
  throw new SqlsyncError('usage', `${config.file} has no database "${nameOrPath}"`, { hint: `It has: ${names}` });
}

/** What names a database on a command line that is to be pasted: nothing where it is the only one. */
export function databaseFlag({ databases }: Config, { name }: DatabaseConfig): string {
  return databases.length === 1 ? '' : ` -d ${shellWord(name)}`;
}

function withAbsolutePaths(sections: ConfigSections, file: string): Config {
  const absolute = (path: string) => resolve(dirname(file), path);
  // A bucket is where it is, wherever the file stands.
  const absolutePlace = (place: string) => (place.includes('://') ? place : absolute(place));
  const absoluteOrNull = (path: string | null) => (path === null ? null : absolute(path));
  const { tls, backup, health } = sections;
  return {
    ...sections,
    file,
    secretFile: absoluteOrNull(sections.secretFile),
    databases: sections.databases.map((database) => ({ ...database, path: absolute(database.path) })),
    tls: tls && {
      ...tls,
      cert: absoluteOrNull(tls.cert),
      key: absoluteOrNull(tls.key),
      ca: absoluteOrNull(tls.ca),
    },
    health: { ...health, heartbeatUrlFile: absoluteOrNull(health.heartbeatUrlFile) },
    backup: backup && { ...backup, to: absolutePlace(backup.to), keyFile: absoluteOrNull(backup.keyFile) },
  };
}

/** A key whose values are all commented out reads as null, and means the same as no key. */
function withoutEmptySections(data: ConfigDocument['data']): ConfigDocument['data'] {
  return Object.fromEntries(
    Object.entries(data).filter(([key, value]) => value !== null || !(key in configSchema.shape)),
  );
}

function describeIssue(issue: z.core.$ZodIssue, data: unknown, document: ConfigDocument): ConfigIssue[] {
  const path = issue.path as ValuePath;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: formatPath([...path, key]),
      line: document.lineOf([...path, key]),
      message: 'is no key of the configuration',
    }));
  }
  const value = valueAt(data, path);
  const line = document.lineOf(path);
  // What is missing has no line where all of the file is empty, and does not come from the environment for that.
  if (value === undefined) return [{ path: formatPath(path), line: line ?? 1, message: 'is missing' }];
  return [{ path: formatPath(path), line, message: withValue(value, issue.message) }];
}

function valueAt(data: unknown, path: ValuePath): unknown {
  return path.reduce<unknown>((value, step) => (value as Record<string | number, unknown> | null)?.[step], data);
}

function withValue(value: unknown, message: string): string {
  if (value !== null && typeof value === 'object') return message;
  // A password in a URL is a mistake, and no reason to print it.
  const text = JSON.stringify(value).replace(/:\/\/[^/@]*@/, '://…@');
  return `${text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text} ${message}`;
}

function invalid(file: string, issues: readonly ConfigIssue[]): SqlsyncError {
  const inOrder = [...issues].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  const lines = inOrder.map(({ path, line, message }) => {
    const place = line === null ? 'environment' : `line ${line}`;
    return `  ${place}: ${path === '' ? '' : `${path}: `}${message}`;
  });
  const count = issues.length === 1 ? 'a mistake' : `${issues.length} mistakes`;
  return new SqlsyncError('config-invalid', `${file} has ${count}\n${lines.join('\n')}`, {
    hint: 'docs/configuration.md tells every key; `sqlsync config check` checks again.',
  });
}
