/**
 * What this node answers to a member that changes the rules of the data set, or asks what has become of a change; and
 * what it asks itself.
 */
import { type ErrorBody, SqlsyncError } from '../../errors.js';
import type { Replica } from '../../replication/replica.js';
import type { RuleOutcome } from '../../replication/rule-changes.js';
import { rulesChanging } from '../../replication/rule-freeze.js';
import type { RuleAnswer, RuleQuestion, RuleRequestMessage } from '../../replication/rule-messages.js';
import type { Hello } from '../../replication/wire-messages.js';

/** The file as it is reached: see DatabaseService. */
export interface RuledFile {
  readonly replica: Pick<
    Replica,
    'rules' | 'hello' | 'checkPeer' | 'checkMember' | 'memberNames' | 'acknowledge' | 'node'
  >;
  /** The database's name. */
  readonly name: string;
  /** Does a piece of work as soon as the file is free. */
  work<Result>(attempt: () => Result): Promise<Result>;
  /** The rules may be others by now. */
  tellRules(): void;
}

export class RuleAnswers {
  constructor(private readonly file: RuledFile) {}

  private get rules() {
    return this.file.replica.rules;
  }

  /** Throws why the asker has no say here, or what keeps this node from doing what is asked. */
  async answer({ hello, request }: RuleQuestion): Promise<RuleAnswer> {
    const before = this.rules.underWay;
    const answer = await this.file.work(() => {
      this.refuseStranger(hello);
      this.file.replica.acknowledge(hello);
      return this.answerNow(this.act(hello, request));
    });
    if (answer.hello.ruleChange !== before) this.file.tellRules();
    return answer;
  }

  /** What to ask a peer, in this node's name. */
  question(request: RuleRequestMessage): Promise<RuleQuestion> {
    const { name, replica } = this.file;
    return this.file.work(() => ({ kind: 'rules', hello: replica.hello(name), request }));
  }

  /** Takes note of who has answered. Throws when it has no say here. */
  take({ hello }: RuleAnswer): Promise<void> {
    return this.file.work(() => {
      this.refuseStranger(hello);
      this.file.replica.acknowledge(hello);
    });
  }

  /** Adopts the change that is waited for here if this peer goes by it already. */
  async learnFrom(peer: Hello): Promise<void> {
    const { replica, name } = this.file;
    if (this.rules.waiting === null) return;
    const isNews = await this.file.work(
      () => replica.checkMember(replica.hello(name), peer) === null && this.rules.learnFrom(peer),
    );
    if (isNews) this.file.tellRules();
  }

  /**
   * Throws 'rules-differ' when a peer goes by other rules. Not while a change is under way at either, nor for what it has
   * said before it adopted the last one.
   */
  judge({ node, rulesHash, ruleChange }: Hello): void {
    const { hash, previousHash, underWay } = this.rules;
    if ([hash, previousHash].includes(rulesHash) || ruleChange !== null || underWay !== null) return;
    throw new SqlsyncError('rules-differ', `${node} goes by other rules than this node`, {
      hint: 'compare: `sqlsync rules`',
    });
  }

  /** Throws 'rules-changing' while a change is under way here or at the peer: then nothing crosses. */
  assertSettled({ node, ruleChange }: Hello): void {
    const { underWay, waiting } = this.rules;
    if (underWay !== null) throw rulesChanging(waiting?.coordinator ?? this.file.replica.node);
    if (ruleChange !== null) throw rulesChanging(node);
  }

  private act(hello: Hello, request: RuleRequestMessage): RuleOutcome | null {
    switch (request.verb) {
      case 'prepare':
        if (request.change.node !== hello.node) {
          throw new SqlsyncError('batch-refused', `${hello.node} prepares a change that is ${request.change.node}’s`);
        }
        this.refuseUnfit(hello);
        this.rules.prepare(request.change, request.base);
        return null;
      case 'commit':
        this.rules.commit(request.change, hello.node);
        return null;
      case 'abort':
        this.rules.abort(request.change, hello.node);
        return null;
      case 'ask':
        return request.change === null ? null : this.rules.outcomeOf(request.change);
      case 'fence':
        return this.rules.fence(request.change, hello.node);
    }
  }

  private answerNow(outcome: RuleOutcome | null): RuleAnswer {
    const { replica, name } = this.file;
    const { waiting } = this.rules;
    return {
      kind: 'rules',
      hello: replica.hello(name),
      members: [...replica.memberNames],
      outcome,
      waitsFor: waiting && { change: waiting.change.id, coordinator: waiting.coordinator },
    };
  }

  private refuseStranger(peer: Hello): void {
    const { replica, name } = this.file;
    throwIf(replica.checkMember(replica.hello(name), peer));
  }

  /** What would keep the two from exchanging anything, but for the change that both are about. */
  private refuseUnfit(peer: Hello): void {
    const { replica, name } = this.file;
    throwIf(replica.checkPeer({ ...replica.hello(name), ruleChange: null }, { ...peer, ruleChange: null }));
  }
}

function throwIf(refusal: ErrorBody | null): void {
  if (refusal === null) return;
  const { code, message, hint } = refusal;
  throw new SqlsyncError(code, message, hint === null ? {} : { hint });
}
