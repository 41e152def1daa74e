/**
 * The daemon's log: pino, on standard error, in one of three dresses.
 *   json      one object a line, for machines
 *   text      time, level, message, key=value, for a terminal
 *   journald  `<N>` priority prefix and no time of its own, since the journal has both (sd-daemon(3))
 * What could be a secret is cut out by name, whoever logs it.
 */
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';
import { isJournalStream } from '../journal-stream.js';
import { LogFile } from './log-file.js';

export type LogFormat = 'auto' | 'json' | 'text' | 'journald';
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly destination: DestinationStream & { readonly isTTY?: boolean; readonly fd?: number };
  /** Under systemd JOURNAL_STREAM tells which stream is the journal’s. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const REDACTED = ['secret', 'secrets', 'authorization', 'headers.authorization', 'req.headers.authorization'];

/** Syslog priorities, as the journal wants them. */
const PRIORITY: Readonly<Record<string, number>> = { trace: 7, debug: 7, info: 6, warn: 4, error: 3, fatal: 2 };

export function createLogger(options: LoggerOptions): Logger {
  const format = options.format === 'auto' ? detectFormat(options) : options.format;
  const settings = {
    level: options.level,
    base: null,
    redact: { paths: REDACTED, censor: '[redacted]' },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (format === 'json') return pino(settings, options.destination);
  const render = format === 'text' ? renderText : renderJournal;
  return pino(settings, { write: (line) => options.destination.write(`${render(JSON.parse(line))}\n`) });
}

/** To standard error. A line that cannot be written is lost, and that is told when there is room again. */
export function createStderrLogger(options: Omit<LoggerOptions, 'destination'>): Logger {
  const file = LogFile.on(process.stderr.fd);
  const logger = createLogger({ ...options, destination: file ?? process.stderr });
  if (file !== null) {
    file.onBack = (lost) => logger.warn({ lost }, 'lines of this log are missing here: they could not be written');
  }
  return logger;
}

function detectFormat(options: LoggerOptions): Exclude<LogFormat, 'auto'> {
  const { environment, destination } = options;
  if (destination.fd !== undefined && isJournalStream(environment, destination.fd)) return 'journald';
  return destination.isTTY === true ? 'text' : 'json';
}

interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

function renderText(line: LogLine): string {
  return `${line.time} ${line.level.toUpperCase().padEnd(5)} ${renderBody(line)}`;
}

function renderJournal(line: LogLine): string {
  return `<${PRIORITY[line.level] ?? 6}>${renderBody(line)}`;
}

function renderBody({ level: _level, time: _time, msg, ...fields }: LogLine): string {
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${renderValue(value)}`);
  // A line break would start a new entry without its priority.
  return [msg ?? '', ...pairs].join(' ').replaceAll('\n', '\\n');
}

function renderValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /[\s"=]/.test(text) && typeof value === 'string' ? JSON.stringify(text) : text;
}
