/** Comparisons between nodes of this process, without a network: what crosses is JSON, as it is between daemons. */
import { comparableTables } from '../../src/daemon/compare/comparable-tables.js';
import { ask } from '../../src/daemon/compare/compare-channel.js';
import { type Comparison, NodeComparison } from '../../src/daemon/compare/compare-nodes.js';
import { parseAnswer, parseQuestion } from '../../src/daemon/compare/compare-request.js';
import { ComparisonAnswers } from '../../src/daemon/compare/comparison-answers.js';
import { onlyTell, type Treatment, type TreatmentSides } from '../../src/daemon/compare/treatment.js';
import type { Answer, Question } from '../../src/replication/compare-messages.js';
import { enterPrivateSchema, leavePrivateSchema } from '../../src/replication/private-schema.js';
import type { EngineNode } from './engine-node.js';

export interface CompareEnginesOptions {
  readonly table?: string;
  readonly treat?: (sides: TreatmentSides) => Treatment;
  /** What happens when both are to exchange what they have: by default they do. */
  readonly bringTogether?: () => void;
  readonly waitMsMax?: number;
  /** Called with every question before it is answered. */
  readonly onQuestion?: (question: Question) => void;
}

export interface EngineComparison extends Comparison {
  /** Characters of all questions and answers. */
  readonly chars: number;
}

export function answersOf(node: EngineNode): ComparisonAnswers {
  return new ComparisonAnswers({
    replica: node.replica,
    name: 'test',
    stopSignal: new AbortController().signal,
    lockHoldMsMax: 100,
    work: async (attempt) => attempt(),
    gap: async () => {},
    greet: async () => {},
    tellAdvanced: () => {},
  });
}

export async function compareEngines(
  here: EngineNode,
  there: EngineNode,
  options: CompareEnginesOptions = {},
): Promise<EngineComparison> {
  const [own, others] = [answersOf(here), answersOf(there)];
  let chars = 0;
  const channel = async (question: Question): Promise<Answer> => {
    options.onQuestion?.(question);
    const asked = JSON.stringify(question);
    const answered = JSON.stringify(await others.answer(parseQuestion(JSON.parse(asked))));
    chars += asked.length + answered.length;
    return parseAnswer(JSON.parse(answered));
  };
  const greeting = await ask(channel, { kind: 'hello', hello: await own.hello() });
  const { tables } = comparableTables(await own.tables(), greeting.tables, there.name);
  const exchange = () => {
    here.pull(there);
    there.pull(here);
  };
  const comparison = await new NodeComparison({
    own,
    channel,
    tables: tables.filter(({ name }) => options.table === undefined || name === options.table),
    there: greeting.hello,
    bringTogether: async () => (options.bringTogether ?? exchange)(),
    treat: options.treat?.({ own, channel }) ?? onlyTell,
    waitMsMax: options.waitMsMax ?? 1_000,
    onRows: () => {},
    signal: new AbortController().signal,
  }).run();
  return { ...comparison, chars };
}

/** Writes as a connection does on which no trigger fires: a known hole of capture. */
export function writeUnseen({ app }: Pick<EngineNode, 'app'>, write: () => void): void {
  enterPrivateSchema(app, []);
  try {
    app.transaction(write)();
  } finally {
    leavePrivateSchema(app);
  }
}
