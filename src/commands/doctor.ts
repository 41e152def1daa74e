import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { doctorDeps } from '../daemon/this-machine.js';
import { EXIT } from '../errors.js';
import { type DoctorReport, diagnose } from '../operations/doctor/diagnose.js';
import { renderDoctor } from '../rendering/render-doctor.js';

export default class Doctor extends BaseCommand<typeof Doctor> {
  static override summary = 'Look for traps in databases and on this machine, and say what to do.';
  static override description =
    'Schema, triggers, coverage, file, permissions, disk, clock, configuration, and the programs that have the file open. ' +
    'Nothing is changed. Without DB: every database of the configuration; a file that sqlsync is not installed in can be ' +
    'looked at before it is. Exits 1 if an error is found. What this machine does not tell is said, never taken for well. ' +
    'As root it sees other users’ processes. docs/doctor.md tells every finding.';
  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor shop.db --deep --json'];
  static override args = {
    db: Args.string({ description: 'path of an SQLite file, or its configured name; several can be given' }),
  };
  static override strict = false;
  static override flags = {
    deep: Flags.boolean({ summary: 'Read the files whole: are they sound, and has every child row its parent?' }),
  };

  async run(): Promise<DoctorReport> {
    const { database, deep, config: configFile } = this.flags;
    const databases = [...this.operands, ...(database === undefined ? [] : [database])];
    const report = await diagnose({ databases, deep, configFile }, doctorDeps(this.config.version));
    this.log(renderDoctor(report, this.paint));
    if (!report.healthy) process.exitCode = EXIT.no;
    return report;
  }
}
