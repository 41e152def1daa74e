/**
 * What two nodes say to each other to compare their rows: questions of the node that compares, and answers, each a JSON
 * document. Values and hashes in them are base64 of the wire's one encoding of a value. docs/protocol.md tells the rest.
 */
import { z } from 'zod';
import { helloSchema, nodeNameSchema } from './wire-messages.js';

/** Bounds on a question. */
const RANGES_MAX = 64;
export const KEYS_MAX = 256;
/** Of all keys in a question, as text. */
export const KEY_CHARS_MAX = 4 * 1024 * 1024;
const NAME_CHARS_MAX = 1_000_000;
const COLUMNS_MAX = 32_767;

/** Bytes of a hash: enough that no two different rows or ranges are ever taken for equal. */
export const HASH_BYTES = 16;

/** Rows that one answer may list by their hashes. */
export const HASHES_MAX = 1024;

/** An answer, as text: what fits into a live message. */
export const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

const columnName = z.string().max(NAME_CHARS_MAX);
const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/);
const hash = z.string().regex(new RegExp(`^[0-9a-f]{${HASH_BYTES * 2}}$`));
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** A table as both sides are to read it: these columns, and rows in the order of this key. */
const comparedTableSchema = z.strictObject({
  name: columnName.min(1),
  columns: z.array(columnName).min(1).max(COLUMNS_MAX),
  key: z
    .array(z.strictObject({ column: columnName, collation: columnName, descending: z.boolean() }))
    .min(1)
    .max(COLUMNS_MAX),
});
export type ComparedTable = z.infer<typeof comparedTableSchema>;

const table = comparedTableSchema;
/** A key, or a row: its values one after the other. */
const values = base64;

export const questionSchema = z.discriminatedUnion('kind', [
  /** Who are you, and what have you? */
  z.strictObject({ kind: z.literal('hello'), hello: helloSchema }),
  /** How many rows are in these ranges, and what is their hash? Each begins where the one before ends; null: no bound. */
  z.strictObject({
    kind: z.literal('digests'),
    table,
    after: values.nullable(),
    ends: z.array(values.nullable()).min(1).max(RANGES_MAX),
  }),
  /** Which rows are in this range, each by its key and hash? */
  z.strictObject({ kind: z.literal('hashes'), table, after: values.nullable(), to: values.nullable() }),
  /** What are the rows with these keys? */
  z.strictObject({ kind: z.literal('rows'), table, keys: z.array(values).min(1).max(KEYS_MAX) }),
  /**
   * Write these rows again, as they are there, in these columns; a row that is not there is deleted again. `anew`: as a
   * row that begins now, since the asker is read-only and has written it for itself.
   */
  z.strictObject({
    kind: z.literal('rewrite'),
    table,
    rows: z
      .array(z.strictObject({ key: values, columns: z.array(columnName).max(COLUMNS_MAX), anew: z.boolean() }))
      .min(1)
      .max(KEYS_MAX),
  }),
]);
export type Question = z.infer<typeof questionSchema>;
export type QuestionOf<Kind extends Question['kind']> = Extract<Question, { readonly kind: Kind }>;

const digestSchema = z.strictObject({ rows: count, hash });
export type RangeDigest = z.infer<typeof digestSchema>;

/** A value too large to be sent is told by its place among the columns, its size, and sha256 over its encoding. */
const largeValueSchema = z.strictObject({ place: count, bytes: count, hash });
export type LargeValue = z.infer<typeof largeValueSchema>;

/** What went into a version: [session, HLC] each; empty for a row that is settled. */
const dots = z.array(z.tuple([z.string(), count])).max(100_000);

const answeredRowSchema = z.strictObject({
  /** Null: the row is not there. `values` has NULL in the place of a large value. */
  row: z.strictObject({ hash, values, large: z.array(largeValueSchema) }).nullable(),
  dots,
});
export type AnsweredRow = z.infer<typeof answeredRowSchema>;

export const answerSchema = z.discriminatedUnion('kind', [
  /**
   * `gap`: tables of which writes may have gone unrecorded there, and `covered`: the members with which it has compared
   * them since. `tables`: those it has, when the schema hashes differ; null: the same as the asker.
   */
  z.strictObject({
    kind: z.literal('hello'),
    hello: helloSchema,
    gap: z.array(columnName),
    covered: z.array(nodeNameSchema),
    tables: z.array(comparedTableSchema).nullable(),
  }),
  /** As many as were asked for; null: there are more rows, or bytes, than are looked at for one. */
  z.strictObject({ kind: z.literal('digests'), digests: z.array(digestSchema.nullable()) }),
  /** `more`: the range goes on after the last of them. */
  z.strictObject({
    kind: z.literal('hashes'),
    rows: z.array(z.strictObject({ key: values, hash })).max(HASHES_MAX),
    more: z.boolean(),
  }),
  /** The first of the rows asked for, at least one; and what the node had at that moment. */
  z.strictObject({
    kind: z.literal('rows'),
    rows: z.array(answeredRowSchema).min(1).max(KEYS_MAX),
    hello: helloSchema,
  }),
  z.strictObject({ kind: z.literal('rewrite'), rows: count }),
]);
export type Answer = z.infer<typeof answerSchema>;
export type AnswerTo<Kind extends Answer['kind']> = Extract<Answer, { readonly kind: Kind }>;
