import { BaseCommand } from '../../base-command.js';
import { configJsonSchema, type JsonSchema } from '../../config-json-schema.js';

export default class ConfigSchema extends BaseCommand<typeof ConfigSchema> {
  static override summary = 'Print the JSON Schema of the configuration file.';
  static override description =
    'For editors that complete and check while one types, and for programs that write configurations. What a schema ' +
    'cannot say (how a duration or a schedule is spelled, what contradicts each other) `config check` tells.';
  static override examples = ['<%= config.bin %> config schema > sqlsync.schema.json'];

  async run(): Promise<JsonSchema> {
    const schema = configJsonSchema();
    this.log(JSON.stringify(schema, null, 2));
    return schema;
  }
}
