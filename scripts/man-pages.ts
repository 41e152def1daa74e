/** Manual pages in mdoc(7): sqlsync(1), and one for each command. `mandoc -Tlint` has nothing to say of them. */
import { isGlobal, type ManifestCommand, type ManifestFlag, typedExample, typedName } from './command-manifest.js';

export interface ManPage {
  /** `sqlsync-peers-add.1` */
  readonly file: string;
  readonly text: string;
}

const LINE_CHARS_MAX = 78;

const EXIT_STATUS: readonly (readonly [code: number, meaning: string])[] = [
  [0, 'done'],
  [1, 'the answer is no: nodes differ, the status is unhealthy'],
  [2, 'usage'],
  [65, 'data that is bad, or that was refused'],
  [69, 'a peer or a service is unavailable'],
  [70, 'a bug in sqlsync'],
  [74, 'the disk, or input and output'],
  [75, 'try again: locked, timed out, not known yet'],
  [77, 'refused: credentials, permissions, unsafe'],
  [78, 'the configuration'],
  [130, 'interrupted'],
];

export function manPages(commands: readonly ManifestCommand[], date: Date): ManPage[] {
  return [overview(commands, date), ...commands.map((command) => commandPage(command, date))];
}

const pageName = (command: ManifestCommand) => `sqlsync-${typedName(command).replaceAll(' ', '-')}`;

function overview(commands: readonly ManifestCommand[], date: Date): ManPage {
  const flags = Object.values(commands[0]?.flags ?? {}).filter(isGlobal);
  const lines = [
    ...head('sqlsync', 'multi-writer replication for SQLite files', date),
    '.Sh SYNOPSIS',
    '.Nm',
    '.Ar command',
    '.Op Ar options',
    '.Op Ar arguments',
    '.Sh DESCRIPTION',
    ...paragraph(
      'Puts triggers into SQLite files that record what applications write, and runs a daemon that ships it to other nodes and applies what comes from them. Every node may write.',
    ),
    '.Pp',
    'The commands are:',
    '.Bl -tag -width Ds',
    ...commands.flatMap((command) => [`.It Xr ${pageName(command)} 1`, ...paragraph(command.summary)]),
    '.El',
    '.Sh OPTIONS',
    'Every command takes these.',
    ...flagList(flags),
    '.Sh FILES',
    '.Bl -tag -width Ds',
    '.It Pa ./sqlsync.yml , ~/.config/sqlsync/sqlsync.yml , /etc/sqlsync/sqlsync.yml',
    'The configuration; the first that is found is taken.',
    '.El',
    '.Sh EXIT STATUS',
    '.Bl -tag -width Ds',
    ...EXIT_STATUS.flatMap(([code, meaning]) => [`.It ${code}`, ...paragraph(meaning)]),
    '.El',
    '.Sh SEE ALSO',
    '.Xr sqlsync-init 1 ,',
    '.Xr sqlsync-start 1 ,',
    '.Xr sqlsync-status 1',
  ];
  return { file: 'sqlsync.1', text: `${lines.join('\n')}\n` };
}

function commandPage(command: ManifestCommand, date: Date): ManPage {
  const name = pageName(command);
  const own = Object.values(command.flags).filter((flag) => !isGlobal(flag));
  const args = Object.values(command.args);
  const examples = command.examples ?? [];
  const lines = [
    ...head(name, asTitle(command.summary), date),
    '.Sh SYNOPSIS',
    `.Nm sqlsync ${typedName(command)}`,
    ...own.map((flag) => (flag.required ? `.${flagWords(flag)}` : `.Op ${flagWords(flag)}`)),
    ...args.map(({ name: arg, required }) => `.${required ? '' : 'Op '}Ar ${arg}${command.strict ? '' : ' ...'}`),
    '.Sh DESCRIPTION',
    ...paragraph(`${command.summary}\n${command.description ?? ''}`),
    ...(args.length === 0 ? [] : ['.Sh ARGUMENTS', '.Bl -tag -width Ds']),
    ...args.flatMap(({ name: arg, description = '' }) => [`.It Ar ${arg}`, ...paragraph(description)]),
    ...(args.length === 0 ? [] : ['.El']),
    '.Sh OPTIONS',
    ...paragraph('Besides those that every command takes, which sqlsync(1) tells:'),
    ...(own.length === 0 ? ['none.'] : flagList(own)),
    ...(examples.length === 0 ? [] : ['.Sh EXAMPLES', ...examples.map((text) => `.Dl ${escaped(typedExample(text))}`)]),
    '.Sh SEE ALSO',
    '.Xr sqlsync 1',
  ];
  return { file: `${name}.1`, text: `${lines.join('\n')}\n` };
}

function head(name: string, title: string, date: Date): string[] {
  const [month, day, year] = [
    date.toLocaleString('en', { month: 'long', timeZone: 'UTC' }),
    date.getUTCDate(),
    date.getUTCFullYear(),
  ];
  return [
    `.Dd ${month} ${day}, ${year}`,
    `.Dt ${name.toUpperCase()} 1`,
    '.Os',
    '.Sh NAME',
    `.Nm ${name}`,
    `.Nd ${title}`,
  ];
}

/** A summary as the line that `apropos` shows: no capital, no period. */
function asTitle(summary: string): string {
  const [first = ''] = summary.split(/\.(?:\s|$)/);
  return escaped(first.charAt(0).toLowerCase() + first.slice(1));
}

function flagList(flags: readonly ManifestFlag[]): string[] {
  return [
    '.Bl -tag -width Ds',
    ...flags.flatMap((flag) => [`.It ${flagWords(flag)}`, ...paragraph(aboutFlag(flag))]),
    '.El',
  ];
}

function flagWords({ name, char, type, helpValue, options }: ManifestFlag): string {
  const value = type === 'boolean' ? '' : ` Ar ${escaped(options?.join('|') ?? helpValue ?? 'VALUE')}`;
  return `${char === undefined ? '' : `Fl ${char} , `}Fl \\-${escaped(name)}${value}`;
}

function aboutFlag({ summary = '', env, default: standard, exclusive }: ManifestFlag): string {
  const shown = typeof standard === 'string' || typeof standard === 'number' ? ` Default: ${standard}.` : '';
  const not = exclusive?.length ? ` Not with ${exclusive.map((name) => `--${name}`).join(', ')}.` : '';
  return `${summary}${shown}${not}${env === undefined ? '' : ` Environment: ${env}.`}`;
}

/** Text as mdoc likes it: a line for each sentence, none too long, none that begins like a macro. */
function paragraph(text: string): string[] {
  const sentences = text.split(/\n+|(?<=[.!?:])\s+/).filter((sentence) => sentence.trim() !== '');
  return sentences.flatMap((sentence) => wrapped(sentence.trim())).map((line) => escaped(line));
}

function wrapped(sentence: string): string[] {
  const lines: string[] = [];
  for (const word of sentence.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < LINE_CHARS_MAX - 10)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function escaped(text: string): string {
  const literal = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('’', '\\(cq').replaceAll('…', '...');
  return /^[.']/.test(literal) ? `\\&${literal}` : literal;
}
