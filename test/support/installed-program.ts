/** Programs that a test needs and a machine may lack. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Which of these are not on the PATH; null: all are. */
export function missingPrograms(...names: readonly string[]): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  const missing = names.filter((name) => !folders.some((folder) => isExecutable(join(folder, name))));
  return missing.length === 0 ? null : missing.join(', ');
}

/** A suite's name, with why it is left out if it is. */
export function nameWithout(name: string, missing: string | null): string {
  return missing === null ? name : `${name} (left out: no ${missing} here)`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
