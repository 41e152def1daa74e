/**
 * While the rules of the data set change, a node joins nothing: it keeps what it has until it knows by which rules to go
 * on. As a member that waits for the outcome it does so across restarts; as the coordinator only as long as its process
 * lives, since one that ends before it has decided has decided nothing.
 */
import { SqlsyncError } from '../errors.js';
import type { NodeState } from './node-state.js';
import type { RuleChange } from './rules.js';

/** A change that this node has promised to go along with, and whose outcome it has not heard. */
export interface WaitingChange {
  readonly change: RuleChange;
  /** Who decides: the node that asked, or the one that has taken over from it. */
  readonly coordinator: string;
  /** Unix milliseconds. */
  readonly since: number;
}

export class RuleFreeze {
  /** The change that this node coordinates. */
  coordinating: RuleChange | null = null;
  private parsed: { readonly text: string; readonly waiting: WaitingChange | null } = { text: '', waiting: null };

  constructor(private readonly state: NodeState) {}

  get waiting(): WaitingChange | null {
    const text = this.state.get('rule_change') ?? '';
    if (text !== this.parsed.text) {
      this.parsed = { text, waiting: text === '' ? null : (JSON.parse(text) as WaitingChange) };
    }
    return this.parsed.waiting;
  }

  /** Written down inside the caller's transaction. */
  setWaiting(waiting: WaitingChange | null): void {
    this.state.set('rule_change', waiting === null ? '' : JSON.stringify(waiting));
  }

  /** The id of the change under way here; null: none. */
  get changeId(): string | null {
    return this.coordinating?.id ?? this.waiting?.change.id ?? null;
  }

  /** Throws 'rules-changing' while a change is under way. */
  refuse(): void {
    if (this.changeId === null) return;
    throw rulesChanging(this.waiting?.coordinator ?? 'this node');
  }
}

export function rulesChanging(coordinator: string): SqlsyncError {
  return new SqlsyncError('rules-changing', `a change of the rules by ${coordinator} is under way`, {
    hint: `It ends by itself, as soon as ${coordinator} can be reached: \`sqlsync rules\` shows who waits.`,
  });
}
