import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { thisMachine } from '../daemon/this-machine.js';
import { EXIT } from '../errors.js';
import { dryRunFlag } from '../global-flags.js';
import { nodeFlags } from '../node-flags.js';
import { findConfigurationTarget } from '../operations/configuration-target.js';
import { carryOutInit, type DatabasePlan, type InitReport, planInit } from '../operations/init-database.js';
import { renderKeyRisk, renderPlan, renderReport } from '../rendering/render-init.js';
import { KEY_COLLISIONS } from '../replication/rule-request.js';

type InitDocument =
  | InitReport
  | { items: readonly unknown[]; total: number; nextCursor: null }
  | Record<string, unknown>;

export default class Init extends BaseCommand<typeof Init> {
  static override summary = 'Make existing SQLite files ready to replicate.';
  static override description =
    'Shows table by table what will replicate, installs triggers and tables of its own in one transaction, writes the ' +
    'configuration (./sqlsync.yml unless -c says otherwise) and makes a secret if there is none. Run again, it says what ' +
    'is there, repairs what is missing and takes in new tables. A table without a key exits 65, and nothing is changed.';
  static override examples = [
    '<%= config.bin %> init shop.db --node paris --listen 127.0.0.1:7420',
    "<%= config.bin %> init shop.db --exclude 'log_*' --dry-run",
  ];
  static override args = { db: Args.string({ required: true, description: 'an SQLite file; several can be given' }) };
  static override strict = false;
  static override flags = {
    ...nodeFlags,
    include: Flags.string({
      summary: 'Take only tables that match (* and ?).',
      helpValue: 'GLOB',
      multiple: true,
      multipleNonGreedy: true,
    }),
    exclude: Flags.string({
      summary: 'Leave out tables that match.',
      helpValue: 'GLOB',
      multiple: true,
      multipleNonGreedy: true,
    }),
    'key-collision': Flags.option({ options: KEY_COLLISIONS })({
      summary: 'When two nodes allocate one key: keep the later row, or give the other a new key.',
    }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<InitDocument> {
    const { flags } = this;
    const plan = planInit(
      {
        paths: this.operands,
        node: flags.node,
        name: flags.name,
        listen: flags.listen,
        secretFile: flags['secret-file'],
        include: flags.include ?? [],
        exclude: flags.exclude ?? [],
        keyCollision: flags['key-collision'],
      },
      findConfigurationTarget({ file: flags.config }),
      thisMachine,
    );
    for (const database of plan.databases) this.log(`${renderPlan(database, this.paint)}\n`);
    const isNews = plan.databases.some(({ identity }) => identity === null);
    const risk = isNews && flags['key-collision'] === undefined ? renderKeyRisk(plan.databases) : null;
    if (risk !== null) this.note(`${this.paint.yellow('warning:')} ${risk}\n`);
    if (flags['dry-run']) return this.#tellDryRun(plan.databases);

    const reports = carryOutInit(plan, this.commandLine, thisMachine);
    for (const report of reports) this.log(renderReport(report));
    for (const { secretCreated } of reports) if (secretCreated !== null) this.note(`made a secret: ${secretCreated}`);
    for (const { certificateCreated: made } of reports) {
      if (made !== null) this.note(`made a certificate: ${made.cert} (SHA-256 ${made.fingerprint})`);
    }
    this.note(`configuration: ${plan.configFile}\nnext: sqlsync start`);
    return inOneDocument(reports);
  }

  #tellDryRun(databases: readonly DatabasePlan[]): InitDocument {
    if (databases.some(({ tables }) => tables.some(({ status }) => status === 'refused'))) process.exitCode = EXIT.data;
    this.note('nothing was changed');
    return inOneDocument(databases.map(({ database, path, tables }) => ({ database, path, changed: false, tables })));
  }
}

/** One database is the document itself, several are a list. */
function inOneDocument<Report extends object>(reports: readonly Report[]): InitDocument {
  const [only] = reports;
  if (only !== undefined && reports.length === 1) return only as InitDocument;
  return { items: reports, total: reports.length, nextCursor: null };
}
