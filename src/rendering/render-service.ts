/** Units, and what became of them, for people. */
import type { ServiceReport } from '../operations/service/install-service.js';
import type { Unit } from '../operations/service/unit-file.js';

/** As `systemctl cat` prints them: each after its name, several apart. */
export function renderUnits(units: readonly Unit[]): string {
  const [only] = units;
  if (only !== undefined && units.length === 1) return only.text.trimEnd();
  return units
    .map(({ name, text }) => `# ${name}\n${text}`)
    .join('\n')
    .trimEnd();
}

export function renderServiceChanges({ items, dryRun, folder }: ServiceReport): string {
  const present = items.filter(({ change }) => change !== 'absent');
  if (present.length === 0) return `no unit of sqlsync is in ${folder}`;
  return present.map(({ path, change }) => `${dryRun ? 'would be ' : ''}${change}: ${path}`).join('\n');
}

export function renderNextStep({ units, systemctl }: ServiceReport): string {
  const start = `systemctl enable --now ${units.join(' ')}`;
  return systemctl.length > 0 ? `next: ${start}` : `next, where systemd runs: systemctl daemon-reload; ${start}`;
}
