import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { backupFlags } from '../../command-line/backup-flags.js';
import { withScratchFile } from '../../daemon/backup/scratch-file.js';
import { thisMachine } from '../../daemon/this-machine.js';
import { EXIT } from '../../errors.js';
import { keyFor } from '../../operations/backup/backup-key.js';
import { findBackup } from '../../operations/backup/open-store.js';
import { type VerifiedBackup, verifyBackup } from '../../operations/backup/verify-backup.js';
import { loadConfigIfAny } from '../../operations/configuration-target.js';
import { ProgressLine } from '../../progress-line.js';
import { renderVerified, unpackProgress } from '../../rendering/render-backup.js';

export default class BackupVerify extends BaseCommand<typeof BackupVerify> {
  static override summary = 'Prove that a backup is whole and sound.';
  static override description =
    'Unpacks it aside and checks every byte against the manifest, the database with integrity_check, and its rows, schema ' +
    'and vector against the manifest. Exits 1 when anything differs. It takes room for the database in $TMPDIR (/tmp).';
  static override examples = ['<%= config.bin %> backup verify backups/shop.paris.20260102T030405678Z.db.gz'];
  static override args = { file: Args.string({ required: true, description: 'a backup, beside its manifest' }) };
  static override flags = { 'key-file': backupFlags['key-file'] };

  async run(): Promise<VerifiedBackup> {
    const { flags, signal } = this;
    const backup = findBackup(this.args.file, thisMachine.env);
    const key = keyFor(backup.name, flags['key-file'], () => loadConfigIfAny({ file: flags.config }));
    const line = new ProgressLine(flags.quiet || flags.json ? null : process.stderr);
    const onBytes = (done: number, total: number) => line.update(unpackProgress(done, total));
    const verified = await withScratchFile((copyPath) =>
      verifyBackup({ backup, key, copyPath, onBytes, signal }, thisMachine),
    ).finally(() => line.clear());
    this.log(renderVerified(verified, this.paint));
    if (!verified.ok) process.exitCode = EXIT.no;
    return verified;
  }
}
