/** Figures as people read them: rounded, with their unit. Machines get the exact ones from --json. */

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

const TIME_UNITS: readonly (readonly [seconds: number, name: string])[] = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
];

/** `734 B`, `12.3 MiB` */
export function renderBytes(bytes: number): string {
  let unit = 0;
  let rest = bytes;
  while (rest >= 1024 && unit < BYTE_UNITS.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? rest : rest.toFixed(rest < 100 ? 1 : 0)} ${BYTE_UNITS[unit]}`;
}

/** `0 s`, `75 s`, `12 min`, `3 h`, `9 d`: the largest unit of which there are at least two. */
export function renderSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [unitSeconds, name] = TIME_UNITS.find(([size]) => whole >= 2 * size) ?? [1, 's'];
  return `${Math.floor(whole / unitSeconds)} ${name}`;
}

/** `1 row`, `12,345 rows` */
export function renderCount(count: number, singular: string, plural = `${singular}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? singular : plural}`;
}
