/** What `npm run build` writes down of every command (oclif.manifest.json), as far as generated pages need it. */
import { readFileSync } from 'node:fs';

export interface ManifestFlag {
  readonly name: string;
  readonly char?: string;
  readonly type: 'boolean' | 'option';
  readonly summary?: string;
  readonly helpValue?: string;
  readonly helpGroup?: string;
  readonly env?: string;
  readonly options?: readonly string[];
  readonly default?: unknown;
  readonly required?: boolean;
  readonly multiple?: boolean;
  readonly exclusive?: readonly string[];
  readonly dependsOn?: readonly string[];
}

export interface ManifestArg {
  readonly name: string;
  readonly description?: string;
  readonly required?: boolean;
}

export interface ManifestCommand {
  /** Topics and command, separated by colons. */
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly examples?: readonly string[];
  readonly strict?: boolean;
  readonly flags: Readonly<Record<string, ManifestFlag>>;
  readonly args: Readonly<Record<string, ManifestArg>>;
}

/** The commands of sqlsync itself, by name, without those of oclif's plugins. */
export function readManifest(file = new URL('../oclif.manifest.json', import.meta.url)): ManifestCommand[] {
  const { commands } = JSON.parse(readFileSync(file, 'utf8')) as { commands: Record<string, ManifestCommand> };
  return Object.values(commands).sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** `conflicts resolve` */
export function typedName({ id }: ManifestCommand): string {
  return id.replaceAll(':', ' ');
}

/** An example as it is typed. */
export function typedExample(example: string): string {
  return example.replaceAll('<%= config.bin %>', 'sqlsync');
}

export const isGlobal = ({ helpGroup }: ManifestFlag) => helpGroup === 'GLOBAL';
