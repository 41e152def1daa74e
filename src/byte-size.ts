/** Sizes as people write them: `512`, `64KiB`, `2GiB`; `kB`, `MB` and `GB` count in thousands. */

const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1000,
  KiB: 1024,
  MB: 1000 ** 2,
  MiB: 1024 ** 2,
  GB: 1000 ** 3,
  GiB: 1024 ** 3,
  TB: 1000 ** 4,
  TiB: 1024 ** 4,
};

/** Bytes of a size; null when the text is none or the size is no whole number of bytes. */
export function parseByteSize(text: string): number | null {
  const match = /^(\d{1,16}(?:\.\d{1,6})?) ?([a-zA-Z]*)$/.exec(text);
  const unit = UNIT_BYTES[match?.[2] ?? ''];
  if (!match || unit === undefined) return null;
  const bytes = Number(match[1]) * unit;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** The shortest exact spelling in binary units: 2147483648 → `2GiB`, 1000 → `1000`. */
export function formatByteSize(bytes: number): string {
  const units = ['TiB', 'GiB', 'MiB', 'KiB'] as const;
  const unit = bytes > 0 ? units.find((name) => bytes % (UNIT_BYTES[name] ?? 1) === 0) : undefined;
  return unit ? `${bytes / (UNIT_BYTES[unit] ?? 1)}${unit}` : `${bytes}`;
}
