/** How a member of the data set that a `restore --as rollback` has left behind joins the new one: what to type, and where. */
import { shellWord } from '../shell-word.js';

export interface NewHome {
  readonly path: string;
  /** Can anybody come to this node? */
  readonly listens: boolean;
}

/** Nobody can join by way of a node that only dials. The address is the operator's to know. */
export function listenCommand(path: string): string {
  return `sqlsync init ${shellWord(path)} --listen HOST:PORT`;
}

export function commandThere(name: string): string {
  return `on ${name}, its daemon and application stopped: sqlsync join INVITE DB --replace`;
}

/** One step a line. */
export function stepsToJoin(names: readonly string[], { path, listens }: NewHome): string[] {
  const listen = `this node only dials, so first let the others come, at an address that reaches it: \`${listenCommand(path)}\``;
  return [
    ...(listens ? [] : [listen]),
    'next: `sqlsync start`',
    ...names.flatMap((name) => [`for an INVITE: \`sqlsync invite ${name}\``, commandThere(name)]),
  ];
}
