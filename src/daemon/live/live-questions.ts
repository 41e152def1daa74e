/**
 * Questions over a live connection, both ways: how a member that only dials is compared with, and takes part in a change
 * of the rules. Those about rows are answered one after the other, beside the streams, those about the rules at once; one
 * that cannot be answered is told so, and ends nothing.
 */
import { SqlsyncError } from '../../errors.js';
import type { Answer, Question } from '../../replication/compare-messages.js';
import type { RuleAnswer, RuleQuestion } from '../../replication/rule-messages.js';
import type { DatabaseService } from '../database/database-service.js';
import { answerOf, errorFromPeer } from '../peer/error-answer.js';
import type { LiveMessage } from './live-messages.js';

/** Questions of the peer that may wait for their answers. */
const WAITING_MAX = 8;

type QuestionMessage = Extract<LiveMessage, { readonly type: 'question' }>;
type AnswerMessage = Extract<LiveMessage, { readonly type: 'answer' }>;

export interface LiveQuestionsOptions {
  readonly send: (message: QuestionMessage | AnswerMessage) => void;
  /** A bug here: it ends the connection. */
  readonly onFailure: (error: unknown) => void;
}

export class LiveQuestions {
  private readonly asked = new Map<number, (answer: AnswerMessage['answer']) => void>();
  private nextNumber = 0;
  private waiting = 0;
  private answering: Promise<void> = Promise.resolve();

  constructor(private readonly options: LiveQuestionsOptions) {}

  /** Resolves with the peer's answer, or throws what the peer says. For ever open when the connection ends. */
  async ask(peer: string, question: Question): Promise<Answer> {
    const answer = await this.askAny(peer, question);
    if (answer.kind === 'rules') throw otherAnswer();
    return answer;
  }

  /** The same. */
  async askRules(peer: string, question: RuleQuestion): Promise<RuleAnswer> {
    const answer = await this.askAny(peer, question);
    if (answer.kind !== 'rules') throw otherAnswer();
    return answer;
  }

  private async askAny(peer: string, question: QuestionMessage['question']): Promise<Answer | RuleAnswer> {
    const number = this.nextNumber++;
    const answered = new Promise<AnswerMessage['answer']>((resolve) => this.asked.set(number, resolve));
    this.options.send({ type: 'question', number, question });
    const answer = await answered;
    if (answer.kind === 'error') throw errorFromPeer(peer, answer.error);
    return answer;
  }

  settle({ number, answer }: AnswerMessage): void {
    const resolve = this.asked.get(number);
    if (resolve === undefined) throw new SqlsyncError('batch-damaged', `an answer to question ${number}, never asked`);
    this.asked.delete(number);
    resolve(answer);
  }

  /** Takes a question in. Throws when the peer does not wait for answers. */
  take(database: DatabaseService, { number, question }: QuestionMessage): void {
    if (this.waiting >= WAITING_MAX) {
      throw new SqlsyncError('batch-damaged', `more than ${WAITING_MAX} questions at once`);
    }
    this.waiting += 1;
    const turn = question.kind === 'rules' ? Promise.resolve() : this.answering;
    const answered = turn
      .then(() => this.answer(number, () => answerTo(question, database)))
      .catch(this.options.onFailure)
      .finally(() => {
        this.waiting -= 1;
      });
    if (question.kind !== 'rules') this.answering = answered;
  }

  private async answer(number: number, answer: () => Promise<Answer | RuleAnswer>): Promise<void> {
    try {
      this.options.send({ type: 'answer', number, answer: await answer() });
    } catch (error) {
      if (!(error instanceof SqlsyncError)) throw error;
      this.options.send({ type: 'answer', number, answer: { kind: 'error', error: answerOf(error) } });
    }
  }
}

function answerTo(question: QuestionMessage['question'], database: DatabaseService): Promise<Answer | RuleAnswer> {
  return question.kind === 'rules' ? database.rules.answer(question) : database.answers.answer(question);
}

function otherAnswer(): SqlsyncError {
  return new SqlsyncError('batch-damaged', 'the peer answers something that was not asked');
}
