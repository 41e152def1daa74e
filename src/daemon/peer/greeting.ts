/** What two nodes say to each other before they exchange anything, over HTTP and live alike. */
import { z } from 'zod';
import { SqlsyncError } from '../../errors.js';
import { parseHello } from '../../replication/stream-reader.js';
import { type Hello, helloSchema } from '../../replication/wire-messages.js';
import type { PeerRecord } from './peer-record.js';

export const greetingSchema = z.strictObject({
  hello: helloSchema,
  /** Does the sender ship to this peer, and take from it? What happens is what both sides' configurations allow. */
  ships: z.boolean(),
  takes: z.boolean(),
});
export type Greeting = z.infer<typeof greetingSchema>;

const greetingOfAnyVersion = z.object({ hello: z.unknown(), ships: z.boolean(), takes: z.boolean() });
const SAME_VERSION_HINT = 'do both nodes run the same version of sqlsync?';

/** A peer's greeting, from JSON. Throws `wire-version` or `batch-damaged`. */
export function parseGreeting(json: unknown): Greeting {
  const greeting = greetingOfAnyVersion.safeParse(json);
  if (!greeting.success) throw new SqlsyncError('batch-damaged', 'the greeting is none', { hint: SAME_VERSION_HINT });
  const { ships, takes } = greeting.data;
  return { hello: parseHello(greeting.data.hello, 'the greeting'), ships, takes };
}

/** What membership lets pass between this node and a peer. */
export interface Passage {
  readonly ships: boolean;
  readonly takes: boolean;
}

/** What this node says of itself to a peer. */
export function greetingFor({ direction }: Pick<PeerRecord, 'direction'>, hello: Hello, passage: Passage): Greeting {
  return { hello, ships: passage.ships && direction !== 'pull', takes: passage.takes && direction !== 'push' };
}

/** The refusal of a peer that asks for what this node's configuration does not allow it. */
export function directionRefusal(what: 'ships nothing to you' | 'takes nothing from you'): SqlsyncError {
  return new SqlsyncError('peer-refused', `this node ${what}`, { hint: 'look at `direction` in its sqlsync.yml' });
}
