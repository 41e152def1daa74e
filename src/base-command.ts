/**
 * What every command has: the global flags, one way to print, one way to fail.
 *
 * A command parses nothing itself: `this.flags`, `this.args` and `this.operands` are ready when `run` is called. What
 * `run` returns is the document of `--json`; text for people goes through `this.log` (data, stdout) and `this.note`
 * (about the work, stderr). An answer of "no" is `process.exitCode = EXIT.no`; everything else that goes wrong is a
 * thrown SqlsyncError, which becomes the exit code.
 */

import { resolve } from 'node:path';
import { Command, Errors, type Interfaces } from '@oclif/core';
import { Ansis } from 'ansis';
import { Cancellation, OUTPUT_CLOSED } from './cancellation.js';
import { type Config, loadConfig } from './config.js';
import { configFlag, withConfigFlag, withDatabaseFlag } from './config-flag.js';
import { EXIT, SqlsyncError } from './errors.js';
import { globalFlags } from './global-flags.js';
import { isSwitchGiven, reportError } from './report-error.js';
import { typedCommand } from './typed-command.js';

type ParsedFlags<T extends typeof Command> = Interfaces.InferredFlags<typeof globalFlags & T['flags']>;
type ParsedArgs<T extends typeof Command> = Interfaces.InferredArgs<T['args']>;

export abstract class BaseCommand<T extends typeof Command> extends Command {
  static override baseFlags = globalFlags;

  /** A command that drains on SIGINT and SIGTERM, and exits 0 then, listens to them itself. */
  static readonly drainsOnSignals: boolean = false;

  /** Is what it prints on stdout what it is for? Else it goes on when that cannot be written. */
  static readonly needsOutput: boolean = true;

  protected flags!: ParsedFlags<T>;
  protected args!: ParsedArgs<T>;
  /** The positional arguments as typed, with what follows `--`. */
  protected operands: readonly string[] = [];
  /** Colors for stdout: none with --no-color, with NO_COLOR, or without a terminal. */
  protected paint = new Ansis(0);

  /** Has it begun to print a document a line? */
  #streams = false;
  readonly #cancellation = new Cancellation((error) => process.exit(this.#report(error)));
  readonly #onOutputError = (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') this.#cancellation.stopOutput();
    else if ((this.ctor as typeof BaseCommand).needsOutput) process.exitCode = this.#report(outputFailed(error), false);
  };

  override async init(): Promise<void> {
    await super.init();
    // oclif's own listener throws, which ends the process in mid-work.
    process.stdout.removeAllListeners('error').on('error', this.#onOutputError);
    process.stderr.off('error', ignore).on('error', ignore);
    const { flags: ownFlags, args: ownArgs, strict, drainsOnSignals } = this.ctor as typeof BaseCommand;
    const { flags, args, argv } = await this.parse({ flags: ownFlags, baseFlags: globalFlags, args: ownArgs, strict });
    this.flags = flags as ParsedFlags<T>;
    this.args = args as ParsedArgs<T>;
    this.operands = argv as string[];
    this.paint = flags['no-color'] ? new Ansis(0) : new Ansis();
    if (!drainsOnSignals) this.#cancellation.watchSignals();
    if (flags.timeout !== undefined) this.#cancellation.watchTimeout(flags.timeout);
  }

  /** Aborts at --timeout, at SIGINT and SIGTERM, and when nobody reads stdout any more. Who takes it stops by it. */
  protected get signal(): AbortSignal {
    return this.#cancellation.signal;
  }

  /** The configuration that --config names, or the first of the usual places. */
  protected loadConfig(): Config {
    return loadConfig({ file: this.flags.config });
  }

  /**
   * Returns if the operator agrees; else throws. Without a terminal nothing is asked, and only --yes is agreement.
   * @param question what is about to be lost, ending in a question mark
   */
  protected async confirm(question: string): Promise<void> {
    if ((this.flags as { yes?: boolean }).yes) return;
    if (!this.canAsk) {
      throw new SqlsyncError('usage', `this needs a confirmation: ${question}`, { hint: 'Add --yes to agree.' });
    }
    // Only a command that asks loads what asks.
    const { confirm: askConfirmation } = await import('@inquirer/prompts');
    const agreed = await askConfirmation({ message: question, default: false }, { output: process.stderr });
    if (!agreed) throw new SqlsyncError('interrupted', 'nothing was changed');
  }

  /** Refuses what only a person at a terminal can answer. */
  protected assertTerminal(what: string): void {
    if (this.canAsk) return;
    throw new SqlsyncError('usage', `${what} asks questions, and nobody can be asked here`, {
      hint: 'It needs a terminal, and neither --json nor --no-input.',
    });
  }

  private get canAsk(): boolean {
    return !this.flags['no-input'] && !this.flags.json && process.stdin.isTTY && process.stderr.isTTY;
  }

  /** Words about the work, on stderr: progress, what was chosen, what to do next. */
  protected note(text: string): void {
    if (!this.flags.quiet) process.stderr.write(`${text}\n`);
  }

  /** What only --verbose prints, on stderr. */
  protected detail(text: string): void {
    if (this.flags.verbose) process.stderr.write(`${text}\n`);
  }

  /** The command as it was typed, without what could be a secret: for the record of operations. */
  protected get commandLine(): string {
    return typedCommand(this.ctor.id, this.argv);
  }

  /** A hint whose commands meet the configuration, and the database, that this command was given. */
  protected withConfig(hint: string): string {
    const { config: file, database } = this.flags ?? {};
    const complete = database === undefined ? hint : withDatabaseFlag(hint, database);
    return file === undefined ? complete : withConfigFlag(complete, configFlag(resolve(file)));
  }

  /** One line of NDJSON: for commands that stream, whose `run` returns nothing. */
  protected logLine(document: unknown): void {
    this.#streams = true;
    process.stdout.write(`${JSON.stringify(document)}\n`);
  }

  override jsonEnabled(): boolean {
    return this.flags ? this.flags.json : isSwitchGiven(this.argv, ['--json'], process.env.SQLSYNC_JSON);
  }

  protected override logJson(document: unknown): void {
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  }

  /** Sets the exit code instead of throwing on: oclif would exit 1, or print a second time. */
  protected override async catch(error: Error): Promise<void> {
    if (error instanceof Errors.ExitError) {
      process.exitCode = error.oclif.exit ?? EXIT.bug;
      return;
    }
    // What a library throws when its signal aborts says less than why it did.
    const cause = error instanceof SqlsyncError ? error : (this.#cancellation.reason ?? error);
    if (cause !== OUTPUT_CLOSED) process.exitCode = this.#report(cause);
  }

  protected override async finally(): Promise<void> {
    this.#cancellation.close();
  }

  #report(error: Error, json = this.jsonEnabled()): number {
    return reportError(error, {
      json: json && (this.#streams ? 'line' : true),
      completeHint: (hint) => this.withConfig(hint),
      verbose: isSwitchGiven(this.argv, ['--verbose', '-v'], process.env.SQLSYNC_VERBOSE),
      color: !isSwitchGiven(this.argv, ['--no-color'], process.env.SQLSYNC_NO_COLOR),
      helpCommand: `${this.config.bin} ${this.ctor.id.replaceAll(':', ' ')} --help`,
    });
  }
}

function outputFailed(error: NodeJS.ErrnoException): SqlsyncError {
  const isFull = error.code === 'ENOSPC' || error.code === 'EDQUOT';
  const message = `what belongs on standard output could not be written: ${error.message}`;
  return new SqlsyncError(isFull ? 'disk-full' : 'disk-io', message, { cause: error });
}

/** What is noted about the work is not the work: that it cannot be written, as on a full disk, ends nothing. */
function ignore(): void {}
