/**
 * Completion for bash, and for zsh by its bashcompinit: one static script made of the manifest, so that a press of Tab
 * starts no process.
 */
import { readFileSync } from 'node:fs';
import { type ManifestCommand, type ManifestFlag, typedName } from './command-manifest.js';

/** `@NAME@` stands where the manifest comes in. */
const TEMPLATE = new URL('./completion.template.bash', import.meta.url);

const spellings = ({ name, char }: ManifestFlag) => [`--${name}`, ...(char === undefined ? [] : [`-${char}`])];

export function bashCompletion(commands: readonly ManifestCommand[]): string {
  const flagsOf = (command: ManifestCommand) => Object.values(command.flags);
  const withValue = new Set(
    commands.flatMap(flagsOf).flatMap((flag) => (flag.type === 'option' ? spellings(flag) : [])),
  );
  const flagCases = commands.map((command) => {
    const words = flagsOf(command).map(({ name }) => `--${name}`);
    return `    '${typedName(command)}') echo '${words.sort().join(' ')} --help' ;;`;
  });
  const valueCases = commands.flatMap((command) =>
    flagsOf(command)
      .filter(({ options }) => options !== undefined)
      .map((flag) => `    '${typedName(command)} --${flag.name}') echo '${flag.options?.join(' ')}' ;;`),
  );
  return readFileSync(TEMPLATE, 'utf8')
    .replace('@COMMANDS@', commands.map(typedName).join('\n'))
    .replace('@WITH_VALUE@', [...withValue].sort().join('|'))
    .replace('@FLAGS@', flagCases.join('\n'))
    .replace('@VALUES@', valueCases.join('\n'));
}
