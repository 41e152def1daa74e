/** Flags of commands about backups. */
import { resolve } from 'node:path';
import { Flags } from '@oclif/core';

/** A folder from where the command is typed, or a bucket. */
const placeFlag = Flags.custom<string>({
  helpValue: 'DIR|s3://BUCKET/PREFIX',
  parse: async (place) => (place.includes('://') ? place : resolve(place)),
});

const fileFlag = Flags.custom<string>({ helpValue: 'FILE', parse: async (path) => resolve(path) });

export const backupFlags = {
  to: placeFlag({ summary: 'Where backups are, instead of backup.to.' }),
  'key-file': fileFlag({ summary: 'File of age keys, one a line, instead of backup.keyFile.' }),
};
