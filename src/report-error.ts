/**
 * The one place where an error becomes words on a terminal, a JSON document and an exit code.
 */
import { stripVTControlCharacters } from 'node:util';
import { Errors } from '@oclif/core';
import { Ansis } from 'ansis';
import { EXIT, SqlsyncError } from './errors.js';
import { isJournalStream } from './journal-stream.js';

export interface ReportOptions {
  /** One document on stdout: over several lines, or in the one line that a stream of documents asks for. */
  readonly json: boolean | 'line';
  readonly verbose: boolean;
  readonly color: boolean;
  /** Adds to the commands of a hint what they need to meet the same configuration. */
  readonly completeHint?: (hint: string) => string;
  /** What to type for help on the command that was called, such as `sqlsync init --help`. */
  readonly helpCommand: string;
}

/** What oclif takes for true in a switch's environment variable. */
const TRUTHY = ['1', 'true', 'y', 'yes'];

/**
 * Has a global switch been given? For the time before flags are parsed, and for errors of parsing itself; afterwards
 * the parsed flags tell.
 */
export function isSwitchGiven(
  argv: readonly string[],
  spellings: readonly string[],
  envValue: string | undefined,
): boolean {
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  return spellings.some((spelling) => own.includes(spelling)) || TRUTHY.includes((envValue ?? '').toLowerCase());
}

/** Prints the error (with `json` one document on stdout, else lines on stderr) and returns the exit code it asks for. */
export function reportError(error: unknown, options: ReportOptions): number {
  const known = toSqlsyncError(error, options.helpCommand);
  if (options.verbose && known.code === 'bug' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  const { completeHint = (hint) => hint } = options;
  const knownHint = known.hint === null ? null : completeHint(known.hint);
  if (options.json) {
    const document = { error: { ...known.toBody(), hint: knownHint } };
    process.stdout.write(`${JSON.stringify(document, null, options.json === 'line' ? 0 : 2)}\n`);
    return known.exitCode;
  }
  const paint = options.color && process.stderr.isTTY ? new Ansis() : new Ansis(0);
  const hint = knownHint === null ? '' : `${knownHint.replaceAll(/^/gm, '  ')}\n`;
  const text = `${paint.red.bold('error:')} ${known.message}\n${hint}`;
  process.stderr.write(isJournalStream(process.env, process.stderr.fd) ? text.replaceAll(/^(?=.)/gm, '<3>') : text);
  return known.exitCode;
}

/** Every error as one of the registry. */
export function toSqlsyncError(error: unknown, helpCommand: string): SqlsyncError {
  if (error instanceof SqlsyncError) return error.code === 'usage' ? toUsageError(error, helpCommand) : error;
  if (error instanceof Errors.CLIError && error.oclif.exit === EXIT.usage) return toUsageError(error, helpCommand);
  if (!(error instanceof Error)) return toBug(error, String(error));
  // The prompt's own name for Ctrl-C.
  if (error.name === 'ExitPromptError') return new SqlsyncError('interrupted', 'interrupted', { cause: error });
  return toFileError(error) ?? toBug(error, error.message);
}

interface MissingArgument {
  readonly name: string;
  readonly description?: string;
}

/** oclif puts context and advice around the message of a parser, over several lines. */
function toUsageError(error: Error & { args?: unknown }, helpCommand: string): SqlsyncError {
  const message =
    error.message.startsWith('Missing ') && Array.isArray(error.args)
      ? missingArguments(error.args)
      : stripVTControlCharacters(error.message)
          .replace(/\nSee more help with --help$/, '')
          .replace(/^Parsing (--\S+) \n\t/, '$1: ')
          .replace(/^The following errors? occurred:\n\s*/, '')
          .replaceAll(/^\s*Missing required flag (\S+)$/gm, '--$1 is missing')
          // What was given with a flag is no part of it, and can be an object by now.
          .replaceAll(/(--[\w-]+)=.* (cannot also be provided)/g, '$1 $2')
          .trimEnd();
  const hint = error instanceof SqlsyncError && error.hint !== null ? error.hint : `Type \`${helpCommand}\` for help.`;
  return new SqlsyncError('usage', message, { hint, cause: error });
}

function missingArguments(missing: readonly MissingArgument[]): string {
  return missing.map(({ name, description }) => `${name.toUpperCase()} is missing: ${description ?? ''}`).join('\n');
}

/** A file operation that failed; null for other errors. */
function toFileError(error: NodeJS.ErrnoException): SqlsyncError | null {
  if (error.syscall === undefined || error.path === undefined) return null;
  const full = error.code === 'ENOSPC' || error.code === 'EDQUOT';
  return new SqlsyncError(full ? 'disk-full' : 'disk-io', error.message, { cause: error });
}

function toBug(cause: unknown, message: string): SqlsyncError {
  const [line] = message.split('\n');
  return new SqlsyncError('bug', `internal error: ${line}`, {
    hint: 'This is a bug in sqlsync. --verbose prints where it happened; please report it.',
    cause,
  });
}
