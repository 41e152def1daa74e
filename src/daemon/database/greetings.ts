/** Whether this node has anything to do with a peer, as the peer describes itself. */
import { SqlsyncError } from '../../errors.js';
import type { Replica } from '../../replication/replica.js';
import type { Hello } from '../../replication/wire-messages.js';
import type { RuleAnswers } from '../rules/rule-answers.js';

/** The file as it is reached: see DatabaseService. */
interface GreetedFile {
  readonly name: string;
  readonly replica: Pick<Replica, 'checkPeer' | 'hello'>;
  readonly rules: Pick<RuleAnswers, 'learnFrom' | 'judge'>;
  readonly migration: { assertNotHeld(): void };
  work<Result>(attempt: () => Result): Promise<Result>;
}

export class Greetings {
  constructor(private readonly file: GreetedFile) {}

  /** Throws why nothing can be exchanged with this peer, if so. */
  async peer(peer: Hello): Promise<void> {
    const refusal = await this.refusalOf(peer);
    if (refusal !== null) throw refusal;
  }

  /** The same for a live connection: one is kept while the rules change, though nothing is shipped over it. */
  async live(peer: Hello): Promise<void> {
    const refusal = await this.refusalOf(peer);
    if (refusal !== null && refusal.code !== 'rules-changing') throw refusal;
  }

  /**
   * Throws why a stream cannot be taken from its sender, if so. What the stream's head says of the sender may have been
   * overtaken on its way by what the sender has acknowledged since, so whether it is stale is not judged by that: the
   * connection's greeting has been, and the stream's end will be. One that was sent before the rules changed is dropped
   * when it is to be applied.
   */
  async sender(sender: Hello): Promise<void> {
    const refusal = await this.refusalOf(sender);
    if (refusal === null || refusal.code === 'stale' || refusal.code === 'rules-changing') return;
    if (refusal.code !== 'rules-differ') throw refusal;
    this.file.rules.judge(sender);
  }

  private async refusalOf(peer: Hello): Promise<SqlsyncError | null> {
    const { file } = this;
    file.migration.assertNotHeld();
    await file.rules.learnFrom(peer);
    const refusal = await file.work(() => file.replica.checkPeer(file.replica.hello(file.name), peer));
    return refusal === null ? null : SqlsyncError.of(refusal);
  }
}
