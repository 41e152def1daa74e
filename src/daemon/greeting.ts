/** What two nodes say to each other before they exchange anything, over HTTP and live alike. */
import { z } from 'zod';
import { SqlsyncError } from '../errors.js';
import { type Hello, helloSchema } from '../replication/wire-messages.js';
import type { PeerRecord } from './peer-record.js';

export const greetingSchema = z.strictObject({
  hello: helloSchema,
  /** Does the sender ship to this peer, and take from it? What happens is what both sides' configurations allow. */
  ships: z.boolean(),
  takes: z.boolean(),
});
export type Greeting = z.infer<typeof greetingSchema>;

/** What this node says of itself to a peer. */
export function greetingFor({ direction }: Pick<PeerRecord, 'direction'>, hello: Hello): Greeting {
  return { hello, ships: direction !== 'pull', takes: direction !== 'push' };
}

/** The refusal of a peer that asks for what this node's configuration does not allow it. */
export function directionRefusal(what: 'ships nothing to you' | 'takes nothing from you'): SqlsyncError {
  return new SqlsyncError('peer-refused', `this node ${what}`, { hint: 'look at `direction` in its sqlsync.yml' });
}
