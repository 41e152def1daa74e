/**
 * Puts units into their folder, and takes them out again. A file that sqlsync did not write, or that somebody has edited
 * since, is never touched: then nothing is done at all, and the file is named.
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../../atomic-write.js';
import { SqlsyncError } from '../../errors.js';
import { serviceNames, TEMPLATE } from './plan-service.js';
import type { ServiceHost, ServicePlan } from './service-host.js';
import { claimsToBeOwn, isOwnUnit, type Unit } from './unit-file.js';

export interface ServiceChange {
  readonly name: string;
  readonly path: string;
  readonly change: 'written' | 'replaced' | 'unchanged' | 'removed' | 'kept' | 'absent';
}

export interface ServiceReport {
  readonly folder: string;
  readonly items: readonly ServiceChange[];
  readonly total: number;
  readonly nextCursor: null;
  /** What was asked of systemctl, in order; empty where systemd does not run, or the folder is not its own. */
  readonly systemctl: readonly string[];
  /** What is enabled, or to be: the daemon first. */
  readonly units: readonly string[];
  readonly warnings: readonly string[];
  readonly dryRun: boolean;
}

export interface InstallOptions {
  readonly folder: string;
  readonly dryRun: boolean;
  /** Enable and start at once. */
  readonly now: boolean;
}

/** Read by everybody, as units are. */
const UNIT_MODE = 0o644;

/** Throws root-needed, service-foreign, systemctl-failed. */
export async function installService(
  plan: ServicePlan,
  { folder, dryRun, now }: InstallOptions,
  host: ServiceHost,
): Promise<ServiceReport> {
  assertRoot(folder, dryRun, host);
  const found = plan.units.map((unit) => lookUp(unit, folder));
  assertOwn(found);
  const items = found.map(({ name, path, present, text }): ServiceChange => {
    const change = present === null ? 'written' : present === text ? 'unchanged' : 'replaced';
    if (!dryRun && change !== 'unchanged') {
      mkdirSync(dirname(path), { recursive: true });
      writeFileAtomic(path, text, UNIT_MODE);
    }
    return { name, path, change };
  });
  const asked = [['daemon-reload'], ...(now ? [['enable', '--now', ...plan.enabled]] : [])];
  const systemctl = dryRun ? [] : await askSystemd(asked, folder, host);
  return report(plan, items, { folder, dryRun, systemctl });
}

/**
 * The same, by name: it needs no configuration, which may be gone. Stops and disables what is there. A template stays
 * as long as another instance has a drop-in.
 */
export async function uninstallService(
  instance: string | null,
  { folder, dryRun }: Pick<InstallOptions, 'folder' | 'dryRun'>,
  host: ServiceHost,
): Promise<ServiceReport> {
  assertRoot(folder, dryRun, host);
  const names = serviceNames(instance);
  const found = names.files.map((name) => lookUp({ name, text: '' }, folder));
  assertOwn(found);
  const isHere = (name: string) => found.some((unit) => unit.present !== null && unit.name.startsWith(name));
  const enabled = names.enabled.filter(isHere);
  const ask = (words: string[]) => (dryRun || enabled.length === 0 ? [] : askSystemd([words], folder, host));
  const disabled = await ask(['disable', '--now', ...enabled]);
  const items = found.map(({ name, path, present }): ServiceChange => {
    if (present === null) return { name, path, change: 'absent' };
    if (name === TEMPLATE && hasOtherInstances(folder, instance)) return { name, path, change: 'kept' };
    if (!dryRun) removeUnit(path, folder);
    return { name, path, change: 'removed' };
  });
  const reloaded = await ask(['daemon-reload']);
  const systemctl = [...disabled, ...reloaded];
  return report({ enabled, warnings: [] }, items, { folder, dryRun, systemctl });
}

function hasOtherInstances(folder: string, instance: string | null): boolean {
  return readdirSync(folder).some(
    (name) => /^sqlsync@.+\.service\.d$/.test(name) && name !== `sqlsync@${instance}.service.d`,
  );
}

interface FoundUnit extends Unit {
  readonly path: string;
  /** What is there; null: nothing is. */
  readonly present: string | null;
  /** Is it something other than a file? A link is how systemd masks a unit, and what it leads to is not ours to write. */
  readonly isOther: boolean;
}

function lookUp(unit: Unit, folder: string): FoundUnit {
  const path = join(folder, unit.name);
  const entry = lstatSync(path, { throwIfNoEntry: false });
  const isOther = entry !== undefined && !entry.isFile();
  return { ...unit, path, isOther, present: entry?.isFile() ? readFileSync(path, 'utf8') : null };
}

function assertOwn(found: readonly FoundUnit[]): void {
  const foreign = found.filter(({ present, isOther }) => isOther || (present !== null && !isOwnUnit(present)));
  if (foreign.length === 0) return;
  const said = foreign.map(({ path, present }) =>
    claimsToBeOwn(present ?? '') ? `${path} has been edited since sqlsync wrote it` : `${path} is not sqlsync’s`,
  );
  throw new SqlsyncError('service-foreign', `nothing was changed: ${said.join('; ')}`, {
    hint: 'Keep your changes in a drop-in (systemctl edit UNIT), and move the file out of the way.',
  });
}

function assertRoot(folder: string, dryRun: boolean, { uid, systemFolder }: ServiceHost): void {
  if (dryRun || uid === 0 || folder !== systemFolder) return;
  throw new SqlsyncError('root-needed', `only root may change ${systemFolder}`, {
    hint: 'Type it with sudo; --dry-run shows what would be done, `sqlsync service print` the units.',
  });
}

function removeUnit(path: string, folder: string): void {
  rmSync(path);
  const parent = dirname(path);
  if (parent === folder) return;
  try {
    rmdirSync(parent);
  } catch (error) {
    // What else is in a folder of drop-ins is not ours.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  }
}

async function askSystemd(asked: readonly string[][], folder: string, host: ServiceHost): Promise<string[]> {
  if (folder !== host.systemFolder || !host.isSystemdRunning) return [];
  for (const words of asked) {
    const { exitCode, text } = await host.systemctl(words);
    if (exitCode === 0) continue;
    throw new SqlsyncError('systemctl-failed', `systemctl ${words.join(' ')}: ${text.trim() || `exit ${exitCode}`}`, {
      hint: 'systemctl status, and journalctl -xe, say why.',
    });
  }
  return asked.map((words) => words.join(' '));
}

function report(
  { enabled, warnings }: Pick<ServicePlan, 'enabled' | 'warnings'>,
  items: readonly ServiceChange[],
  rest: Pick<ServiceReport, 'folder' | 'dryRun' | 'systemctl'>,
): ServiceReport {
  return { ...rest, items, total: items.length, nextCursor: null, units: enabled, warnings };
}
