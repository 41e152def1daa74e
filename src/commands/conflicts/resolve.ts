import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { conflictFilterFlags, filterFrom, filtersGiven } from '../../command-line/conflict-flags.js';
import { conflictIdsFromInput } from '../../command-line/conflict-ids.js';
import { terminalQuestions } from '../../command-line/terminal-questions.js';
import { type DatabaseConfig, databaseFlag, pickDatabase } from '../../config.js';
import { statusDeps, thisMachine } from '../../daemon/this-machine.js';
import { dryRunFlag, yesFlag } from '../../global-flags.js';
import type { ResolveReport } from '../../operations/conflict-report.js';
import { isServed } from '../../operations/find-any-daemon.js';
import { exitCodeOf, resolveConflicts } from '../../operations/resolve-conflicts.js';
import { type ReviewDeps, type ReviewRequest, reviewConflicts } from '../../operations/review-conflicts.js';
import { assertOneSelection, selectConflicts } from '../../operations/select-conflicts.js';
import { type Assignment, decisionFrom, parseAssignment } from '../../operations/typed-values.js';
import { ProgressLine } from '../../progress-line.js';
import { NOT_SERVED, renderBulkQuestion, renderResolutions } from '../../rendering/render-resolutions.js';
import { reviewWords } from '../../rendering/review-words.js';

export default class ConflictsResolve extends BaseCommand<typeof ConflictsResolve> {
  static override summary = 'Decide about conflicts: keep the winner, take the other side, or set values.';
  static override description =
    'The decision is a new write to the row and closes the conflict on every node. A row that somebody has written since ' +
    'is skipped and named (exit 1), unless --force. IDs come from the command line or standard input, one a line or as ' +
    'JSON; --all takes what the filters select and nobody has decided.';
  static override examples = [
    '<%= config.bin %> conflicts resolve 3f2a9c01 --use loser',
    `<%= config.bin %> conflicts resolve 3f2a9c01 --set price=4.5 --set 'name="Assam"'`,
    '<%= config.bin %> conflicts resolve --all --table product --use lyon --dry-run',
    '<%= config.bin %> conflicts resolve --interactive',
  ];
  static override args = {
    // Read here, not by oclif, which would take all of standard input for one id.
    id: Args.string({ description: 'a conflict’s id, or its first digits; several can be given', ignoreStdin: true }),
  };
  static override strict = false;
  static override flags = {
    ...conflictFilterFlags,
    use: Flags.string({
      summary: 'The side to take: winner (as settled), loser, or the node that wrote it.',
      helpValue: 'winner|loser|NODE',
      exclusive: ['set', 'interactive'],
    }),
    set: Flags.custom<Assignment>({ parse: parseAssignment })({
      summary: 'A column and the value it is to have, as JSON.',
      helpValue: 'COL=JSON',
      multiple: true,
      multipleNonGreedy: true,
      exclusive: ['interactive'],
    }),
    interactive: Flags.boolean({ char: 'i', summary: 'Go through them one by one, and ask.' }),
    all: Flags.boolean({ summary: 'All that the filters select.' }),
    limit: Flags.integer({ summary: 'With --all: at most so many, the newest.', min: 1 }),
    force: Flags.boolean({ summary: 'Write over what has been written since.' }),
    'dry-run': dryRunFlag,
    yes: yesFlag,
  };

  async run(): Promise<ResolveReport> {
    const { flags } = this;
    if (flags.interactive) this.assertTerminal('--interactive');
    const decision = flags.interactive ? null : decisionFrom(flags.use, flags.set ?? []);
    const config = this.loadConfig();
    const database = pickDatabase(config, flags.database);
    const ids = await this.#select(database);
    const request = { force: Boolean(flags.force), dryRun: Boolean(flags['dry-run']), command: this.commandLine };
    const target = databaseFlag(config, database);
    const deps = { ...thisMachine, limits: config.limits };
    if (decision === null)
      return this.#end(database, await this.#review(database, ids, request, { ...deps, target }), false);
    const isBulk = flags.all && ids.length > 0;
    if (isBulk && !request.dryRun) await this.confirm(renderBulkQuestion(ids, database, decision));
    const line = new ProgressLine(flags.quiet || flags.json ? null : process.stderr);
    const report = await resolveConflicts(
      database,
      ids,
      { ...request, decision, leaveDecided: Boolean(flags.all) && flags.state !== 'resolved' },
      {
        ...deps,
        onProgress: (done, total) => line.update({ label: 'resolving', unit: 'conflicts', done, total }),
        signal: this.signal,
      },
    ).finally(() => line.clear());
    process.exitCode = exitCodeOf(report);
    return this.#end(database, report, !isBulk || request.dryRun);
  }

  async #end(database: DatabaseConfig, report: ResolveReport, isEach: boolean): Promise<ResolveReport> {
    const isIdle = this.flags.interactive && report.total === 0;
    this.log(isIdle ? 'nothing was decided' : renderResolutions(report, isEach, this.paint));
    const isNews = report.resolved > 0 && !report.dryRun;
    if (isNews && !(await isServed(database, statusDeps(this.config.version)))) this.note(NOT_SERVED);
    return report;
  }

  async #select(database: DatabaseConfig): Promise<string[]> {
    const { all, interactive, limit } = this.flags;
    const filters = [...filtersGiven(this.flags), ...(limit === undefined ? [] : ['--limit'])];
    const named = this.operands.length > 0 ? this.operands : null;
    const isLeftToInput = named === null && !all && !interactive && filters.length === 0;
    const piped = isLeftToInput ? await conflictIdsFromInput(this.signal) : null;
    if (piped === null) assertOneSelection({ ids: this.operands.length, all, interactive, filters });
    return selectConflicts(database, { ids: named ?? piped, filter: filterFrom(this.flags), limit }, thisMachine.files);
  }

  async #review(
    database: DatabaseConfig,
    ids: readonly string[],
    request: ReviewRequest,
    { target, ...deps }: Omit<ReviewDeps, 'questions' | 'words' | 'present' | 'tell'> & { target: string },
  ): Promise<ResolveReport> {
    const words = reviewWords({ paint: this.paint, target });
    return reviewConflicts(database, ids, request, {
      ...deps,
      questions: terminalQuestions(this.signal),
      words,
      present: (conflict, place) => this.log(words.present(conflict, place)),
      tell: (outcome) => this.log(words.tell(outcome)),
    });
  }
}
