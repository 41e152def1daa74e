import { stringify } from 'yaml';
import { BaseCommand } from '../../base-command.js';
import { toFileForm } from '../../config-file-form.js';

export default class ConfigShow extends BaseCommand<typeof ConfigShow> {
  static override summary = 'Show the configuration in effect, every default written out.';
  static override description =
    'What the file, the environment and the defaults come to. The output is a valid configuration. Secrets are not part of it.';
  static override examples = ['<%= config.bin %> config show', '<%= config.bin %> config show --json'];

  async run(): Promise<{ file: string; config: Record<string, unknown> }> {
    const config = this.loadConfig();
    const shown = toFileForm(config);
    this.log(`# ${config.file}\n${stringify(shown, { lineWidth: 0 }).trimEnd()}`);
    return { file: config.file, config: shown };
  }
}
