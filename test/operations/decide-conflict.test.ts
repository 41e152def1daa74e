/** What a person is asked about a conflict, and what comes of each answer: without a terminal. */
import { describe, expect, test } from 'vitest';
import type { ConflictDetail } from '../../src/operations/conflict-report.js';
import {
  type Choice,
  type DecisionWords,
  decideConflict,
  type Questions,
} from '../../src/operations/decide-conflict.js';
import { parseTypedValue } from '../../src/operations/typed-values.js';

const words: DecisionWords = { name: (text) => text, show: (value) => JSON.stringify(value), parse: parseTypedValue };

const at = '2026-01-01T00:00:00.000Z';
const TEA: ConflictDetail = {
  id: '0123456789abcdef0123456789abcdef',
  database: 'shop',
  table: 'product',
  key: { sku: 'tea' },
  kind: 'update-update',
  state: 'auto',
  detectedAt: at,
  strategy: 'lww',
  columns: ['name', 'price'],
  winner: { node: 'lyon', at, row: { sku: 'tea', name: 'Assam', price: 4.9, stock: 1 } },
  loser: { node: 'paris', at, row: { sku: 'tea', name: 'Tea', price: 4.5, stock: 1 } },
  resolvedBy: null,
  detail: null,
  tableColumns: ['sku', 'name', 'price', 'stock'],
  loserStands: [],
  now: { sku: 'tea', name: 'Assam', price: 5.5, stock: 1 },
  winnerNow: null,
  changed: true,
  resolutions: [],
};

/** Answers in order: the label of a choice (or how it begins), or a text; and keeps what was asked. */
class Script implements Questions {
  readonly asked: string[] = [];

  constructor(private readonly answers: string[]) {}

  private next(question: string): string {
    this.asked.push(question);
    const answer = this.answers.shift();
    if (answer === undefined) throw new Error(`no answer to ${question}`);
    return answer;
  }

  async choose<Value>(question: string, choices: readonly Choice<Value>[]): Promise<Value> {
    const answer = this.next(`${question} ${choices.map(({ label }) => label).join(' | ')}`);
    const choice = choices.find(({ label }) => label.startsWith(answer));
    if (choice === undefined) throw new Error(`${answer} is not among the choices of ${question}`);
    return choice.value;
  }

  async type(question: string, refusal: (text: string) => string | null): Promise<string> {
    for (;;) {
      const text = this.next(question);
      const refused = refusal(text);
      if (refused === null) return text;
      this.asked.push(refused);
    }
  }

  async confirm(question: string): Promise<boolean> {
    return this.next(question) === 'yes';
  }
}

async function decide(conflict: Partial<ConflictDetail>, ...answers: string[]) {
  const script = new Script(answers);
  return { decision: await decideConflict({ ...TEA, ...conflict }, script, words), asked: script.asked };
}

describe('a decision', () => {
  test('is asked for with the nodes named', async () => {
    const { decision, asked } = await decide({}, 'keep');
    expect(decision).toEqual({ use: 'winner' });
    expect(asked).toEqual([
      'What shall be? keep the winner of lyon | take the other of paris | merge field by field | type a value | leave it open | stop',
    ]);
  });

  test.each([
    ['take', { use: 'loser' }],
    ['leave', 'leave'],
    ['stop', 'stop'],
  ])('%s', async (answer, decision) => {
    expect((await decide({}, answer)).decision).toEqual(decision);
  });

  test('field by field offers each value once, that of now too, and one of one’s own', async () => {
    const { decision, asked } = await decide({}, 'merge', '"Tea"', 'type', 'x', '7.0');
    expect(decision).toEqual({ set: { name: 'Tea', price: { $real: '7' } } });
    expect(asked.slice(1)).toEqual([
      'name "Assam"  (lyon) | "Tea"  (paris) | type a value',
      'price 4.9  (lyon) | 4.5  (paris) | 5.5  (now) | type a value',
      'price, as JSON:',
      expect.stringContaining('x is no JSON. Text is quoted'),
      'price, as JSON:',
    ]);
  });

  test('asks only about columns that collided where rows merged', async () => {
    const { decision } = await decide({ strategy: 'merge', columns: ['price'] }, 'merge', '4.5');
    expect(decision).toEqual({ set: { price: 4.5 } });
  });

  test('by values sets one column or several, the colliding ones first, never the key', async () => {
    const { decision, asked } = await decide({ columns: ['price'] }, 'type', 'price', '1', 'stock', '2', 'that is all');
    expect(decision).toEqual({ set: { price: 1, stock: 2 } });
    expect(asked[1]).toBe('Which column? price  (5.5) | name  ("Assam") | stock  (1)');
  });

  test('offers no merge where a side has no row, or the rows are two', async () => {
    const merge = expect.stringContaining('merge');
    expect((await decide({ winner: { node: null, at: null, row: null } }, 'keep')).asked).toEqual([
      'What shall be? keep the winner (no row) | take the other of paris | type a value | leave it open | stop',
    ]);
    expect((await decide({ kind: 'unique' }, 'leave')).asked).not.toEqual([merge]);
    expect((await decide({ tableColumns: null }, 'leave')).asked).toEqual([
      'What shall be? keep the winner of lyon | take the other of paris | leave it open | stop',
    ]);
  });
});
