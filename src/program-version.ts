/** The version of this program, as its package says: the manifest stands one folder above, from sources and when built. */
import { createRequire } from 'node:module';

export const PROGRAM_VERSION = (createRequire(import.meta.url)('../package.json') as { readonly version: string })
  .version;
