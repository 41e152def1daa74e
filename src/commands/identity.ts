import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { thisMachine } from '../daemon/this-machine.js';
import { dryRunFlag, yesFlag } from '../global-flags.js';
import { loadConfigIfAny } from '../operations/configuration-target.js';
import {
  answerFrom,
  describeAnswer,
  findIdentity,
  type IdentityReport,
  settleIdentity,
} from '../operations/settle-identity.js';
import { shellWord } from '../shell-word.js';

export default class Identity extends BaseCommand<typeof Identity> {
  static override summary = 'Say what a file is that may be a copy.';
  static override description =
    'A file that is found at another path, and is another one for the file system too, is not served before this is ' +
    'known: two nodes under one name would lose each other’s changes. --moved: the original, whose old file is gone. ' +
    '--restored: a backup that goes on in its stead; what it lacks comes from the other nodes. --copied: a second file ' +
    'while the original goes on; sqlsync is taken out of it. The daemon must not run.';
  static override examples = [
    '<%= config.bin %> identity shop.db --moved',
    '<%= config.bin %> identity shop.db --copied',
  ];
  static override args = {
    db: Args.string({ required: true, description: 'path of the SQLite file, or its configured name' }),
  };
  static override flags = {
    moved: Flags.boolean({ summary: 'The original, at another place.' }),
    restored: Flags.boolean({ summary: 'A backup of the original, which it replaces.' }),
    copied: Flags.boolean({ summary: 'A copy beside the original.' }),
    'dry-run': dryRunFlag,
    yes: yesFlag,
  };

  async run(): Promise<IdentityReport> {
    const answer = answerFrom(this.flags);
    const found = findIdentity(this.args.db, loadConfigIfAny({ file: this.flags.config }), thisMachine);
    const words = describeAnswer(answer, found.identity.node, found.path);
    if (this.flags['dry-run']) {
      this.log(`would take note: ${words}`);
      return { path: found.path, node: found.identity.node, answer, before: found.before, changed: false };
    }
    if (answer === 'copied') await this.confirm(`${words}. Go on?`);
    const report = settleIdentity(found, answer, this.commandLine, thisMachine);
    this.log(words);
    const next = answer === 'copied' ? `join URL ${shellWord(report.path)} --replace --node NEWNAME` : 'start';
    this.note(`next: sqlsync ${next}`);
    return report;
  }
}
