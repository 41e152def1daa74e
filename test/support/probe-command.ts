/** A command that does what its argument says, run as a process of its own to see how a command ends. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Args } from '@oclif/core';
import { BaseCommand } from '../../src/base-command.js';
import { EXIT } from '../../src/errors.js';
import { yesFlag } from '../../src/global-flags.js';

class Probe extends BaseCommand<typeof Probe> {
  static override id = 'probe';
  static override args = { act: Args.string({ required: true }) };
  static override flags = { yes: yesFlag };

  async run(): Promise<{ agreed: boolean } | undefined> {
    switch (this.args.act) {
      case 'hang':
        this.note('ready');
        await sleep(60_000);
        return;
      case 'stop':
        await this.#stopWhenAsked(this.signal);
        return;
      case 'stream':
        for (let line = 0; !this.signal.aborted; line += 1) {
          this.logLine({ line });
          await sleep(1);
        }
        throw this.signal.reason;
      case 'confirm':
        await this.confirm('Remove everything?');
        return { agreed: true };
      case 'no':
        process.exitCode = EXIT.no;
        return;
      case 'file':
        readFileSync('/nowhere/at/all');
        return;
      default:
        throw new TypeError('first line\nsecond line');
    }
  }

  async #stopWhenAsked(signal: AbortSignal): Promise<void> {
    this.note('ready');
    // Libraries throw an AbortError of their own; what ends the command is why the signal was aborted.
    await sleep(60_000, undefined, { signal });
  }
}

await Probe.run(process.argv.slice(2), fileURLToPath(new URL('../..', import.meta.url)));
