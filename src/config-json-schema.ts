/**
 * The configuration as JSON Schema, for editors and generators. It says of each value what can be said so: that
 * durations, schedules and addresses are text, not how they are spelled. `config check` is the whole truth.
 */
import { z } from 'zod';
import { configSchema } from './config-schema.js';

export type JsonSchema = Readonly<Record<string, unknown>>;

export function configJsonSchema(): JsonSchema {
  const { $schema, ...schema } = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' });
  return { $schema, title: 'sqlsync.yml', ...schema };
}
