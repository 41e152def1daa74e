/** Patterns of names: `*` is any text, `?` any character, in whatever case. */

export function matchesGlob(glob: string, name: string): boolean {
  return patternOf(glob).test(name);
}

/** Does a name match one of them? */
export function globMatcher(globs: readonly string[]): (name: string) => boolean {
  const patterns = globs.map(patternOf);
  return (name) => patterns.some((pattern) => pattern.test(name));
}

function patternOf(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^]*')
    .replaceAll('?', '[^]');
  return new RegExp(`^${source}$`, 'i');
}
