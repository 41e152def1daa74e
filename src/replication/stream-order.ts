/**
 * The order of a stream's payloads as a state machine. A stream carries changes (hello, then tables, sessions and rows,
 * end) or a snapshot (hello, header, data, end).
 */
import type { PayloadKind } from './wire-frames.js';

/**
 * What a stream carries is known before it begins: it answers a request.
 * `refused` is where it stays once anything was wrong.
 */
export type StreamState =
  | 'changes-start'
  | 'changes'
  | 'snapshot-start'
  | 'snapshot-greeted'
  | 'snapshot'
  | 'ended'
  | 'refused';

/** Where a payload leads, or why it must not come. */
type Step = { readonly to: StreamState } | { readonly no: string };

const to = (state: StreamState): Step => ({ to: state });
const no = (reason: string): Step => ({ no: reason });

const BEFORE_HELLO = no('the stream does not begin with hello');
const SECOND_HELLO = no('a second hello');
const IN_CHANGES = no('belongs to a snapshot, and this is a stream of changes');
const IN_SNAPSHOT = no('belongs to a stream of changes, and this is a snapshot');
const BEFORE_HEADER = no('a snapshot’s header has not come yet');
const AFTER_END = no('the stream has ended');
const AFTER_REFUSAL = no('the stream has been refused');

const all = (step: Step): Record<PayloadKind, Step> => ({
  hello: step,
  table: step,
  sessions: step,
  rows: step,
  end: step,
  data: step,
  header: step,
});

/** Every state and every payload in it. A row that uses a table or session not yet named is the rows decoder's to refuse. */
const ORDER: Record<StreamState, Record<PayloadKind, Step>> = {
  'changes-start': { ...all(BEFORE_HELLO), hello: to('changes') },
  changes: {
    hello: SECOND_HELLO,
    table: to('changes'),
    sessions: to('changes'),
    rows: to('changes'),
    end: to('ended'),
    data: IN_CHANGES,
    header: IN_CHANGES,
  },
  'snapshot-start': { ...all(BEFORE_HELLO), hello: to('snapshot-greeted') },
  'snapshot-greeted': {
    hello: SECOND_HELLO,
    table: IN_SNAPSHOT,
    sessions: IN_SNAPSHOT,
    rows: IN_SNAPSHOT,
    end: BEFORE_HEADER,
    data: BEFORE_HEADER,
    header: to('snapshot'),
  },
  snapshot: {
    hello: SECOND_HELLO,
    table: IN_SNAPSHOT,
    sessions: IN_SNAPSHOT,
    rows: IN_SNAPSHOT,
    end: to('ended'),
    data: to('snapshot'),
    header: no('a second header'),
  },
  ended: all(AFTER_END),
  refused: all(AFTER_REFUSAL),
};

export function stepAfter(state: StreamState, kind: PayloadKind): Step {
  return ORDER[state][kind];
}
