/**
 * By which rules other members go, as far as this node has heard: kept in memory and saved when something else is written
 * or the node is at rest, since it is heard again if it is lost.
 */
import type { NodeState } from './node-state.js';

export class RulesHeard {
  private readonly byNode: Map<string, string>;
  private isSaved = true;

  constructor(private readonly state: NodeState) {
    const stored = state.get('rules_heard') || '{}';
    this.byNode = new Map(Object.entries(JSON.parse(stored) as Record<string, string>));
  }

  /** The hash of the rules that the node was last heard to go by; null: it was never heard. */
  of(node: string): string | null {
    return this.byNode.get(node) ?? null;
  }

  hear(node: string, hash: string): void {
    if (this.byNode.get(node) === hash) return;
    this.byNode.set(node, hash);
    this.isSaved = false;
  }

  get hasUnsaved(): boolean {
    return !this.isSaved;
  }

  /** Writes down what is new, inside the caller's transaction. */
  save(): void {
    if (this.isSaved) return;
    this.state.set('rules_heard', JSON.stringify(Object.fromEntries(this.byNode)));
    this.isSaved = true;
  }
}
