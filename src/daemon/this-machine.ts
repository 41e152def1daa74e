/** The machine this process runs on, for operations that a command calls. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Machine } from '../operations/machine.js';
import { localFiles } from './local-files.js';

export const thisMachine: Machine = {
  files: localFiles,
  random: { hex: (bytes) => randomBytes(bytes).toString('hex') },
  now: () => new Date(),
  hostname: hostname(),
  env: process.env,
};
