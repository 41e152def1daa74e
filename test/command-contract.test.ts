/**
 * What people type and what programs parse, as recorded: flags and arguments from the manifest, and the document of
 * --json as the compiler knows it. A change is looked at here first. `npm run record:contract`
 * records anew.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import {
  isGlobal,
  type ManifestCommand,
  type ManifestFlag,
  readManifest,
  typedName,
} from '../scripts/command-manifest.js';
import { documentShapes } from './support/json-shapes.js';

// The compiler reads all of src.
vi.setConfig({ testTimeout: 120_000 });

const FOLDER = join('test', 'golden', 'commands');
const commands = readManifest();

function sourceOf({ id }: ManifestCommand): string {
  const base = join('src', 'commands', ...id.split(':'));
  return existsSync(`${base}.ts`) ? `${base}.ts` : join(base, 'index.ts');
}

/** What a flag is to whoever types it; words of help may change. */
function contractOf(flag: ManifestFlag): Record<string, unknown> {
  const { char, type, env, options, default: standard, required, multiple, exclusive, dependsOn } = flag;
  return {
    char,
    type,
    env,
    options,
    default: standard,
    required,
    multiple: multiple || undefined,
    exclusive,
    dependsOn,
  };
}

const byName = (flags: readonly ManifestFlag[]) =>
  Object.fromEntries(flags.map((flag) => [flag.name, contractOf(flag)] as const).sort(([a], [b]) => (a < b ? -1 : 1)));

const spelled = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function recorded(name: string, text: string): string {
  const file = join(FOLDER, `${name}.json`);
  if (process.env.RECORD_GOLDEN === '1') writeFileSync(file, text);
  if (!existsSync(file)) throw new Error(`${file} is not there: a new command is recorded by npm run record:contract`);
  return readFileSync(file, 'utf8');
}

test('every command takes what it took, and its document is what it was', () => {
  if (process.env.RECORD_GOLDEN === '1') {
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
  }
  const shapes = documentShapes(commands.map(sourceOf));
  for (const command of commands) {
    const contract = {
      command: typedName(command),
      args: Object.values(command.args).map(({ name, required = false }) => ({ name, required })),
      takesMoreArgs: command.strict === false,
      flags: byName(Object.values(command.flags).filter((flag) => !isGlobal(flag))),
      document: shapes.get(sourceOf(command)),
    };
    expect(spelled(contract)).toBe(recorded(typedName(command).replaceAll(' ', '-'), spelled(contract)));
  }
});

test('the flags that every command takes are what they were, and every command takes them', () => {
  const globals = commands.map(({ flags }) => spelled(byName(Object.values(flags).filter(isGlobal))));
  for (const flags of globals) expect(flags).toBe(recorded('global-flags', flags));
});

test('no command that was there is gone', () => {
  const names = readdirSync(FOLDER).map((file) => file.replace(/\.json$/, ''));
  const known = ['global-flags', ...commands.map((command) => typedName(command).replaceAll(' ', '-'))];
  expect(names.sort()).toEqual(known.sort());
});
