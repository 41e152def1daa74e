/**
 * One exchange over HTTP: both sides say what they have, this node pulls what it lacks and applies it, then pushes what
 * the peer lacks. By schedule, and for `sync`; with a daemon and without one. What breaks off has changed nothing, and
 * the next exchange begins where it has to.
 */

import { SqlsyncError } from '../../errors.js';
import type { Hello } from '../../replication/wire-messages.js';
import type { DatabaseService } from '../database/database-service.js';
import { helloAfter } from '../live/live-inbound.js';
import { hearOutcome } from '../rules/rule-outcome.js';
import { assertNotCatchingUp } from './catching-up.js';
import type { HttpPeer } from './http-peer.js';
import type { PeerRecord } from './peer-record.js';

/** What an exchange is doing, for whoever watches. Totals that are not known yet are null. */
export interface ExchangeProgress {
  readonly phase: 'pull' | 'apply' | 'push' | 'peer-applies' | 'compare';
  readonly bytes: number;
  readonly rows: number;
  readonly rowsTotal: number | null;
}

export interface ExchangeOptions {
  readonly service: DatabaseService;
  readonly client: HttpPeer;
  readonly peer: PeerRecord;
  readonly onProgress?: (progress: ExchangeProgress) => void;
  readonly signal?: AbortSignal;
}

/** How often an exchange begins anew because what crossed was overtaken while it waited to be applied. */
const ATTEMPTS_MAX = 3;

/** Throws the registry's errors; the peer's record is the caller's to keep. */
export async function exchange(options: ExchangeOptions): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { hasMovedOn } = await exchangeOnce(options);
      // What the peer says it has now counts once this node has all that it names. Where both write on it never has.
      if (!hasMovedOn || attempt > 1) return;
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !(await isWorthAnother(error, options))) throw error;
    }
  }
}

/** What was overtaken on its way, or a change of the rules of which one of the two now knows the outcome. */
async function isWorthAnother(error: unknown, { service, client, signal }: ExchangeOptions): Promise<boolean> {
  if (!(error instanceof SqlsyncError)) return false;
  if (error.code === 'batch-outdated') return true;
  if (error.code !== 'rules-changing') return false;
  return hearOutcome(service, (question) => client.askRules(service.name, question, signal));
}

/** Says whether the peer had something new by the end of it, which this node may take. */
async function exchangeOnce(options: ExchangeOptions): Promise<{ hasMovedOn: boolean }> {
  const { service, client, peer, signal } = options;
  await service.fold();
  const mine = await service.hello();
  const greeting = await client.greet(mine, signal);
  await service.greet(greeting.hello);
  let theirs = hear(options, greeting.hello);
  // Rows that are kept aside here may fit by now, as the peer has them.
  const mayHave = (mine.behind.length > 0 || service.replica.lacks(theirs)) && theirs.catchingUp === null;
  const mayPull = peer.direction !== 'push' && greeting.ships && service.passage(peer.name).takes;
  const pulls = mayHave && mayPull;
  if (pulls) theirs = hear(options, await pull(options));
  const pushes = peer.direction !== 'pull' && greeting.takes && service.surplusOver(theirs) !== 'nothing';
  if (pushes) theirs = hear(options, await push(options, theirs));
  // A push has told the peer what came by the pull; without one it is told for its own sake.
  else if (pulls) theirs = hear(options, (await client.greet(await service.hello(), signal)).hello);
  assertNotCatchingUp(service.replica, theirs);
  return { hasMovedOn: pushes && mayPull && service.replica.lacks(theirs) };
}

function hear({ service, peer }: ExchangeOptions, hello: Hello): Hello {
  // What it acknowledges counts in the name that it says.
  if (hello.node !== peer.name) {
    throw new SqlsyncError('config-invalid', `the node that is dialed as ${peer.name} is ${hello.node}`, {
      hint: `call it ${hello.node} among the peers in sqlsync.yml, or mend its url`,
    });
  }
  peer.heard(hello, Date.now());
  service.acknowledge(hello);
  return hello;
}

/** Pulls and applies what this node lacks; returns what the peer has. */
async function pull({ service, client, peer, onProgress, signal }: ExchangeOptions): Promise<Hello> {
  const receiver = service.receive();
  try {
    for await (const piece of client.pull(await service.hello(), signal)) {
      receiver.push(piece);
      onProgress?.({ phase: 'pull', bytes: receiver.received, rows: receiver.rows, rowsTotal: null });
    }
    const stage = await receiver.finish();
    const { received: bytes } = receiver;
    await service.apply(stage, (rows) => onProgress?.({ phase: 'apply', bytes, rows, rowsTotal: stage.rows }));
    peer.rowsReceived += stage.rows;
    peer.bytesReceived += bytes;
    return helloAfter(stage.sender, stage.end);
  } catch (error) {
    receiver.discard();
    throw error;
  }
}

/** Pushes what the peer lacks; returns what it has then. */
async function push({ service, client, peer, onProgress, signal }: ExchangeOptions, theirs: Hello): Promise<Hello> {
  const sentSoFar = { bytes: 0 };
  const pushed = await client.push(service.openCut(theirs), await service.hello(), {
    onProgress: ({ bytes }) => {
      sentSoFar.bytes = bytes;
      onProgress?.({ phase: 'push', bytes, rows: 0, rowsTotal: null });
    },
    onApplied: (rows) => onProgress?.({ phase: 'peer-applies', bytes: sentSoFar.bytes, rows, rowsTotal: null }),
    ...(signal && { signal }),
  });
  peer.rowsSent += pushed.rows;
  peer.bytesSent += pushed.bytes;
  return pushed.hello;
}
