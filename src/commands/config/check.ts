import { BaseCommand } from '../../base-command.js';
import { readSecrets } from '../../secrets.js';

export default class ConfigCheck extends BaseCommand<typeof ConfigCheck> {
  static override summary = 'Check the configuration file.';
  static override description =
    'Prints ok and the path of the file, or every mistake with its line (exit 78). A secret file that others can read exits 77.';
  static override examples = [
    '<%= config.bin %> config check',
    '<%= config.bin %> config check -c /etc/sqlsync/sqlsync.yml',
  ];

  async run(): Promise<{ ok: true; file: string }> {
    const config = this.loadConfig();
    if (config.secretFile !== null) readSecrets(config);
    this.log(`ok ${config.file}`);
    return { ok: true, file: config.file };
  }
}
