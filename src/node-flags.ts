/** What `init`, `join` and `peers add` ask about nodes, checked as the configuration checks it. */
import { Args, Flags } from '@oclif/core';
import type { z } from 'zod';
import { databaseName, listenAddress, nodeName, peerUrl } from './config-values.js';
import { SqlsyncError } from './errors.js';
import { type Invitation, isInvitation, parseInvitation } from './invitation.js';

/** The text itself, once the configuration would take it. */
function checkedBy(schema: z.ZodType): (text: string) => Promise<string> {
  return async (text) => {
    const result = schema.safeParse(text);
    if (result.success) return text;
    throw new SqlsyncError('usage', `"${text}" ${result.error.issues[0]?.message}`);
  };
}

/** A URL in the form in which the configuration keeps it. */
async function parsePeerUrl(text: string): Promise<string> {
  const result = peerUrl.safeParse(text);
  if (result.success) return result.data;
  throw new SqlsyncError('usage', `"${text}" ${result.error.issues[0]?.message}`);
}

export interface NamedUrl {
  readonly name: string;
  readonly url: string;
}

/** `NAME=URL` */
export async function parseNamedUrl(text: string): Promise<NamedUrl> {
  const [, name, url] = /^([^=]*)=(.*)$/.exec(text) ?? [];
  if (name === undefined || url === undefined) {
    throw new SqlsyncError('usage', `"${text}" is not NAME=URL`, { hint: 'Such as lyon=https://lyon.example:7420' });
  }
  return { name: await checkedBy(nodeName)(name), url: await parsePeerUrl(url) };
}

/** A URL, or what `sqlsync invite` prints. */
export const urlOrInvitationArg = Args.custom<string | Invitation>({
  parse: async (text) => (isInvitation(text) ? parseInvitation(text) : parsePeerUrl(text)),
});

export const nodeNameArg = Args.custom<string>({ parse: checkedBy(nodeName) });

export const urlFlag = Flags.custom<string>({ parse: parsePeerUrl, helpValue: 'URL' });

export const nodeFlags = {
  node: Flags.string({
    summary: "This node's name, unique in the data set; made of the host's name if left out.",
    helpValue: 'NAME',
    env: 'SQLSYNC_NODE',
    parse: checkedBy(nodeName),
  }),
  name: Flags.string({
    summary: "The database's name, the same on every node; made of the file's name if left out.",
    helpValue: 'DBNAME',
    parse: checkedBy(databaseName),
  }),
  listen: Flags.string({
    summary: 'Address on which peers reach this node; without one it only dials.',
    helpValue: 'HOST:PORT',
    env: 'SQLSYNC_LISTEN',
    parse: checkedBy(listenAddress),
  }),
  'secret-file': Flags.string({
    summary: 'File with the secret that all nodes share.',
    helpValue: 'FILE',
    env: 'SQLSYNC_SECRET_FILE',
  }),
};
