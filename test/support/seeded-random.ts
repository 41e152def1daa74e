/** A small seeded generator (mulberry32): the same seed, the same history. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  int(below: number): number;
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
  /** Lower-case hexadecimal digits of so many bytes. */
  hex(bytes: number): string;
}

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const int = (below: number) => Math.floor(next() * below);
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick: (items) => items[int(items.length)] as never,
    hex: (bytes) => Array.from({ length: 2 * bytes }, () => int(16).toString(16)).join(''),
  };
}
