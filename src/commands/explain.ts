import { BaseCommand } from '../base-command.js';
import { pickDatabase } from '../config.js';
import { statusDeps } from '../daemon/this-machine.js';
import { type Explanation, explainStatus } from '../operations/explain-status.js';
import { readStatus } from '../operations/read-status.js';
import { renderExplanation } from '../rendering/render-explanation.js';

export default class Explain extends BaseCommand<typeof Explain> {
  static override summary = 'Say what is behind what status finds, and what to do about it.';
  static override description =
    'Puts together what comes of one cause, says what it means, and what to type. What status finds, in order of gravity.';
  static override examples = ['<%= config.bin %> explain'];

  async run(): Promise<Explanation> {
    const config = this.loadConfig();
    const { database } = this.flags;
    const databases = database === undefined ? config.databases : [pickDatabase(config, database)];
    const explanation = explainStatus(await readStatus(config, databases, statusDeps(this.config.version)));
    this.log(renderExplanation(explanation, this.paint));
    return explanation;
  }
}
