/**
 * The live protocol as state machines: what may come in each state, and what follows. The tables are complete: a state
 * or an event without an entry does not compile.
 *
 * A conversation begins with both hellos. From then on two machines run side by side. Outbound is what this side ships:
 * one stream at a time, and the next only when the peer has acknowledged it. Inbound is what the peer ships: taken in
 * piece by piece, applied when it is whole, then acknowledged.
 */
import { SqlsyncError } from '../../errors.js';
import type { LiveMessage } from './live-messages.js';

export type Step<State extends string, Act extends string> =
  | { readonly to: State; readonly act: Act }
  /** The peer broke the protocol, and how. */
  | { readonly violation: string }
  /** This side's code is wrong. */
  | { readonly bug: string };

export type ConversationState = 'greeting' | 'exchanging' | 'closed';
/** A message by its type, or a piece of a stream. */
export type ConversationEvent = LiveMessage['type'] | 'piece';
/** greet: judge the peer's hello · note: keep what the peer says it has · and do what the message asks */
export type ConversationAct =
  | 'greet'
  | 'note'
  | 'acked'
  | 'take-piece'
  | 'answer'
  | 'settle-request'
  | 'answer-question'
  | 'settle-question'
  | 'fail'
  | 'ignore';

const EARLY = { violation: 'a message before its hello' } as const;
const IGNORED = { to: 'closed', act: 'ignore' } as const;

export const CONVERSATION: Record<
  ConversationState,
  Record<ConversationEvent, Step<ConversationState, ConversationAct>>
> = {
  greeting: {
    hello: { to: 'exchanging', act: 'greet' },
    ack: EARLY,
    refused: { to: 'greeting', act: 'fail' },
    request: EARLY,
    reply: EARLY,
    question: EARLY,
    answer: EARLY,
    piece: EARLY,
  },
  exchanging: {
    hello: { to: 'exchanging', act: 'note' },
    ack: { to: 'exchanging', act: 'acked' },
    refused: { to: 'exchanging', act: 'fail' },
    request: { to: 'exchanging', act: 'answer' },
    reply: { to: 'exchanging', act: 'settle-request' },
    question: { to: 'exchanging', act: 'answer-question' },
    answer: { to: 'exchanging', act: 'settle-question' },
    piece: { to: 'exchanging', act: 'take-piece' },
  },
  closed: {
    hello: IGNORED,
    ack: IGNORED,
    refused: IGNORED,
    request: IGNORED,
    reply: IGNORED,
    question: IGNORED,
    answer: IGNORED,
    piece: IGNORED,
  },
};

export type OutboundState = 'idle' | 'shipping' | 'awaiting-ack' | 'closed';
/**
 * news: this node has more, or the peer told what it has · ship: there is something for the peer · shipped: the end
 * frame is on its way · ack: the peer has applied the stream · close
 */
export type OutboundEvent = 'news' | 'ship' | 'shipped' | 'ack' | 'close';
/** look: is there something for the peer? */
export type OutboundAct = 'nothing' | 'look' | 'send' | 'stop';

const CLOSED = { to: 'closed', act: 'nothing' } as const;
const STOPPED = { to: 'closed', act: 'stop' } as const;

export const OUTBOUND: Record<OutboundState, Record<OutboundEvent, Step<OutboundState, OutboundAct>>> = {
  idle: {
    news: { to: 'idle', act: 'look' },
    ship: { to: 'shipping', act: 'send' },
    shipped: { bug: 'a stream ended that had not begun' },
    ack: { violation: 'an ack without a stream' },
    close: STOPPED,
  },
  shipping: {
    // The ack that is to come looks again.
    news: { to: 'shipping', act: 'nothing' },
    ship: { bug: 'a second stream while one is under way' },
    shipped: { to: 'awaiting-ack', act: 'nothing' },
    ack: { violation: 'an ack before the end of the stream' },
    close: STOPPED,
  },
  'awaiting-ack': {
    news: { to: 'awaiting-ack', act: 'nothing' },
    ship: { bug: 'a second stream before the ack of the first' },
    shipped: { bug: 'a stream ended twice' },
    ack: { to: 'idle', act: 'look' },
    close: STOPPED,
  },
  closed: { news: CLOSED, ship: CLOSED, shipped: CLOSED, ack: CLOSED, close: CLOSED },
};

export type InboundState = 'idle' | 'receiving' | 'applying' | 'closed';
/** piece: some bytes of a stream · whole: its end frame was among them · applied: it is in · close */
export type InboundEvent = 'piece' | 'whole' | 'applied' | 'close';
export type InboundAct = 'nothing' | 'take' | 'apply' | 'acknowledge' | 'discard';

const DISCARDED = { to: 'closed', act: 'discard' } as const;

export const INBOUND: Record<InboundState, Record<InboundEvent, Step<InboundState, InboundAct>>> = {
  idle: {
    piece: { to: 'receiving', act: 'take' },
    whole: { bug: 'a stream ended that had not begun' },
    applied: { bug: 'a stream was applied that had not come' },
    close: CLOSED,
  },
  receiving: {
    piece: { to: 'receiving', act: 'take' },
    whole: { to: 'applying', act: 'apply' },
    applied: { bug: 'a stream was applied before its end' },
    close: DISCARDED,
  },
  applying: {
    piece: { violation: 'a stream before the ack of the one before' },
    whole: { bug: 'a stream ended twice' },
    applied: { to: 'idle', act: 'acknowledge' },
    close: CLOSED,
  },
  closed: { piece: CLOSED, whole: CLOSED, applied: CLOSED, close: CLOSED },
};

/** What a step does, once the state it leads to has been entered. */
export function take<State extends string, Act extends string>(
  step: Step<State, Act>,
  enter: (state: State) => void,
): Act {
  if ('violation' in step) throw new SqlsyncError('batch-damaged', `the peer broke the protocol: ${step.violation}`);
  if ('bug' in step) throw new Error(step.bug);
  enter(step.to);
  return step.act;
}
