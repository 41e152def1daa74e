import { join } from 'node:path';
import { BaseCommand } from '../base-command.js';
import { type DemoReport, runDemo } from '../operations/demo/run-demo.js';

export default class Demo extends BaseCommand<typeof Demo> {
  static override summary = 'Two nodes in a scratch folder, changes on both, a conflict, and what became of it.';
  static override description =
    'Runs this very program on files of its own, in some seconds, and cleans up. Every result is checked: it exits 70 if ' +
    'something does not come out as it says.';
  static override examples = ['<%= config.bin %> demo'];

  async run(): Promise<DemoReport> {
    let step = 0;
    const report = await runDemo({
      program: join(this.config.root, 'bin', 'run.js'),
      signal: this.signal,
      tell: (kind, text) => {
        if (kind === 'step') this.log(this.paint.bold(`${step === 0 ? '' : '\n'}${++step}. ${text}`));
        else this.log(kind === 'typed' ? `   ${this.paint.cyan(text)}` : `     ${text}`);
      },
    });
    this.log(this.paint.green(`\nDone in ${(report.elapsedMs / 1000).toFixed(1)} s; the scratch folder is gone.`));
    return report;
  }
}
