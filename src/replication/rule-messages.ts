/**
 * What nodes say to each other to change the rules of the data set: questions and answers, each a JSON document.
 * rule-changes.ts tells what they mean, docs/protocol.md how they follow each other.
 */
import { z } from 'zod';
import { KEY_COLLISIONS, ORPHAN_RULES, STRATEGIES } from './rule-request.js';
import { helloSchema, nodeNameSchema } from './wire-messages.js';

/** Bounds on what a message may hold. */
const MEMBERS_MAX = 10_000;
const RULES_MAX = 10_000;
const TABLE_NAME_CHARS_MAX = 1_000_000;

const changeId = z.string().regex(/^[0-9a-f]{32}$/);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const names = z.array(nodeNameSchema).max(MEMBERS_MAX).readonly();

const ruleSchema = z.strictObject({
  table: z.string().min(1).max(TABLE_NAME_CHARS_MAX),
  strategy: z.enum(STRATEGIES).nullable(),
  nodeOrder: names.nullable(),
  keyCollision: z.enum(KEY_COLLISIONS).nullable(),
  orphan: z.enum(ORPHAN_RULES).nullable(),
  included: z.boolean().nullable(),
});

const ruleChangeSchema = z.strictObject({
  id: changeId,
  node: nodeNameSchema,
  at: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  rules: z
    .array(ruleSchema)
    .min(1)
    .max(RULES_MAX)
    .refine((rules) => new Set(rules.map(({ table }) => table)).size === rules.length, 'a table is named twice')
    .readonly(),
});

const ruleRequestSchema = z.discriminatedUnion('verb', [
  /** Freeze for this change, and say what you have. `base`: the hash of the rules that it starts from. */
  z.strictObject({ verb: z.literal('prepare'), change: ruleChangeSchema, base: hash }),
  /** It is decided: go by it. */
  z.strictObject({ verb: z.literal('commit'), change: changeId }),
  /** It will not be. */
  z.strictObject({ verb: z.literal('abort'), change: changeId }),
  /** What has become of the change that I wait for (null: I wait for none), and what do you wait for? */
  z.strictObject({ verb: z.literal('ask'), change: changeId.nullable() }),
  /** Its coordinator no longer belongs: I decide from here on. What do you know of it? */
  z.strictObject({ verb: z.literal('fence'), change: changeId }),
]);
export type RuleRequestMessage = z.infer<typeof ruleRequestSchema>;

export const ruleQuestionSchema = z.strictObject({
  kind: z.literal('rules'),
  /** The asker. */
  hello: helloSchema,
  request: ruleRequestSchema,
});
export type RuleQuestion = z.infer<typeof ruleQuestionSchema>;

export const ruleAnswerSchema = z.strictObject({
  kind: z.literal('rules'),
  /** The answering node, when it has done what was asked. */
  hello: helloSchema,
  /** The members that it knows, itself among them. */
  members: names,
  /** What it knows of the change that was asked about; null: none was. */
  outcome: z.enum(['adopted', 'undecided', 'unknown']).nullable(),
  /** The change that it waits for, and who decides; null: none. */
  waitsFor: z.strictObject({ change: changeId, coordinator: nodeNameSchema }).nullable(),
});
export type RuleAnswer = z.infer<typeof ruleAnswerSchema>;
