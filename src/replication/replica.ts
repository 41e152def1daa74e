/**
 * One replicated file as the shell sees it: what it can be asked and told. Every call is synchronous and does a bounded
 * piece of work, at most one write transaction; it throws 'database-locked' when the file's write lock is not to be had
 * within the connection's busy time-out, and has then changed nothing.
 */
import type { Database } from 'better-sqlite3';
import type { ErrorBody } from '../errors.js';
import type { ToldAcknowledgements } from './acknowledgements.js';
import { admitMember } from './admission.js';
import { Application } from './application.js';
import { abandonStage, type CatchUp, catchUpOf, catchUpPhase } from './catch-up.js';
import { Comparison } from './comparison.js';
import { Credentials, hasCredentials, insertCredential, type NewCredential } from './credential-table.js';
import { Cut } from './cut.js';
import { discardKeptChanges, type KeptDecision, retryKeptChanges } from './decide-kept.js';
import { Engine } from './engine.js';
import type { EngineOptions } from './engine-options.js';
import type { Eviction } from './eviction.js';
import { type FilePlace, parsePlace } from './file-place.js';
import { asideOf, HeldOffers } from './held-offers.js';
import { nextHlc } from './hlc.js';
import type { NewMember } from './member-table.js';
import { type EvictionRequest, Members, type Rejoining } from './members.js';
import { belonging } from './membership.js';
import { OP } from './metadata-schema.js';
import { spokenBy } from './older-wire.js';
import { insertOperation, OPERATION_TABLE, type OperationRecord } from './operation-record.js';
import { type PeerFacts, refusalOf, refusalOfStranger } from './peer-check.js';
import { refuseIfAhead } from './peer-claims.js';
import { assertPrivateSchemaWorks } from './private-schema.js';
import { pruneLog } from './prune-log.js';
import { type PrunePlan, planPrune } from './prune-plan.js';
import { type RecordAges, RecordPruning } from './prune-records.js';
import { decidesNothing, ownStanding } from './read-only.js';
import { type RejoinOptions, type RejoinOutcome, rejoinOn } from './rejoin.js';
import { type ReplicaStatus, readReplicaStatus } from './replica-status.js';
import { RuleChanges } from './rule-changes.js';
import { type RulesStatus, readRulesStatus } from './rules-status.js';
import { Settling, UPKEEP_ROWS_MAX } from './settling.js';
import { allAtOnce, type Slices } from './slices.js';
import type { Stage } from './stage.js';
import { standingOf } from './staleness.js';
import { unsentChanges } from './unsent-changes.js';
import { noteVerification } from './verified-peers.js';
import { CAPABILITIES, type Hello } from './wire-messages.js';

/** What is to be known of a peer for all that it lacks to be read. */
type CutReceiver = Pick<
  Hello,
  'vector' | 'horizon' | 'dropped' | 'cursors' | 'nodeId' | 'behind' | 'schemaHash' | 'wireVersion'
>;

/** What a node has that a peer lacks: rows, only entries of the vector (markers), or nothing. */
export type Surplus = 'rows' | 'vector' | 'nothing';

export class Replica {
  /** This node's rows, for a comparison with another's. */
  readonly comparison: Comparison;
  /** The keys by which members are known. */
  readonly credentials: Credentials;
  private readonly engine: Engine;
  private readonly members: Members;
  /** How the rules of the data set change. */
  readonly rules: RuleChanges;
  private application: Application | null = null;
  private readonly settling: Settling;
  private recordPruning: RecordPruning | null = null;
  private readonly offers: HeldOffers;

  private constructor(options: EngineOptions) {
    this.engine = new Engine(options);
    this.comparison = new Comparison(this.engine);
    this.offers = new HeldOffers(this.engine);
    this.members = new Members(options.writer, this.engine);
    this.rules = new RuleChanges(this.engine, this.members);
    this.settling = new Settling(this.engine, this.members, this.rules.heard);
    this.credentials = new Credentials(options.writer);
  }

  /** Opens a file that has been initialised. Refuses a SQLite without a private schema, and files of a newer format. */
  static open(options: EngineOptions): Replica {
    assertPrivateSchemaWorks();
    return new Replica(options);
  }

  get node(): string {
    return this.engine.state.get('node');
  }

  get nodeId(): string {
    return this.engine.state.get('node_id');
  }

  get dataset(): string {
    return this.engine.state.get('dataset');
  }

  /** Names of all members as of the last look at the file. */
  get knownMemberNames(): readonly string[] {
    return belonging(this.members.known).map(({ name }) => name);
  }

  /** Names of all members, this node among them. */
  get memberNames(): readonly string[] {
    return this.members.names();
  }

  /** Where the file was when it was last served; null: never, as far as it tells. */
  get place(): FilePlace | null {
    return parsePlace(this.engine.state.get('place'));
  }

  /** Writes down where the file is served from now on. */
  settleAt(place: FilePlace): void {
    const text = JSON.stringify(place);
    if (this.engine.state.get('place') === text) return;
    this.engine.writeTransaction(() => this.engine.state.set('place', text));
  }

  /** Does nobody else belong to the data set, as far as was known at the last look at the file? */
  get isOnlyMember(): boolean {
    return belonging(this.members.known).length === 1;
  }

  /** What this node says of itself to a peer. `database` is its name in the configuration. */
  hello(database: string): Hello {
    // What is known between two turns at the file is as of now.
    this.members.all();
    const { state, schema, acknowledgements, cursors, clock } = this.engine;
    return {
      ...spokenBy(this.engine.options),
      capabilities: [...CAPABILITIES],
      database,
      dataset: this.dataset,
      node: this.node,
      nodeId: this.nodeId,
      session: state.session,
      encoding: schema.encoding,
      schemaHash: schema.schemaHash,
      rulesHash: schema.rulesHash,
      ruleChange: this.rules.underWay,
      clockMs: clock.nowMs(),
      vector: Object.fromEntries(ownStanding(this.engine).vector),
      folded: state.get('folded'),
      horizon: state.get('horizon'),
      dropped: state.get('dropped'),
      hold: this.engine.hold,
      ...asideOf(this.engine),
      catchingUp: catchUpPhase(state),
      cursors: cursors.toJson(),
      acknowledged: acknowledgements.toJson(),
    };
  }

  /** Why nothing can be exchanged with a peer that says this of itself; null when it can. */
  checkPeer(mine: Hello, peer: Hello): ErrorBody | null {
    return refusalOf(this.factsOf(mine, peer));
  }

  /** Why this peer has no say in the rules; null when it has. */
  checkMember(mine: Hello, peer: Hello): ErrorBody | null {
    return refusalOfStranger(this.factsOf(mine, peer));
  }

  private factsOf(mine: Hello, peer: Hello): PeerFacts {
    const { clockAheadSecondsMax } = this.engine.limits;
    const revocation = this.credentials.refusalOf(peer.node);
    return {
      clockAheadSecondsMax,
      mine,
      standing: ownStanding(this.engine),
      peer,
      members: this.members.all(),
      revocation,
    };
  }

  /** Does nobody take what is written here, as far as was known at the last look at the file? This takes none. */
  get isReadOnly(): boolean {
    return this.members.isKnownReader;
  }

  /** Is this node to take what a peer ships? As above. */
  takesFrom(node: string): boolean {
    return !belonging(this.members.known).some(({ name, access }) => name === node && access === 'read');
  }

  /** The stage that is half applied; null: none is. */
  get catchUp(): CatchUp | null {
    return catchUpOf(this.engine.state);
  }

  /** Is a stage half applied? Until it is whole this node ships nothing. */
  get isCatchingUp(): boolean {
    return this.engine.state.get('catch_up') !== '';
  }

  /** As it is said to peers. */
  get catchUpPhase(): Hello['catchingUp'] {
    return catchUpPhase(this.engine.state);
  }

  /** The half applied stage is lost, or can be applied no more: the node waits for peers to bring the same again. */
  abandonStage(stageId: string): void {
    this.engine.writeTransaction(() => abandonStage(this.engine.state, stageId));
  }

  /** Has an application written what is not folded yet? A cheap read. */
  hasUnfolded(): boolean {
    return this.engine.isFoldDue;
  }

  /** Milliseconds until there may be something to fold though nobody writes: a new table is taken in. Null: never. */
  get foldDueInMs(): number | null {
    return this.engine.foldDueInMs;
  }

  /** Folds a bounded number of log entries. */
  fold(): { entries: number; more: boolean } {
    return this.engine.fold();
  }

  /** What this node has beyond a peer's vector. Markers alone can wait for the next rows; they matter to the horizon. */
  surplusOver(peer: Pick<Hello, 'vector' | 'horizon' | 'dropped' | 'nodeId' | 'behind' | 'schemaHash'>): Surplus {
    const { state } = this.engine;
    if (this.isReadOnly) return 'nothing';
    if (this.offers.due(peer).length > 0) return 'rows';
    const standing = standingOf(peer);
    let surplus: Surplus = 'nothing';
    for (const [session, hlc] of state.vector) {
      const theirs = standing.has(session);
      if (theirs >= hlc) continue;
      if (theirs < state.highestRowOf(session)) return 'rows';
      surplus = 'vector';
    }
    return surplus;
  }

  /** Has the peer something that this node lacks? */
  lacks({ vector }: Pick<Hello, 'vector'>): boolean {
    const { state } = this.engine;
    return Object.entries(vector).some(([session, hlc]) => state.has(session) < hlc);
  }

  /** Begins to read all that a peer lacks. Any number of cuts may be open at once. */
  openCut(peer: CutReceiver): Cut {
    const offered = this.offers.due(peer);
    if (offered.length > 0) this.offers.note(peer);
    return new Cut(this.engine, peer, new Set(offered));
  }

  /** Has a connection begin a read transaction of the file in which all is folded: a copy of that stands for itself. */
  readonly pinFolded = (reader: Database): void => this.engine.pinFolded(reader);

  /** Begins to apply a stage: one at a time, stepped until it is done or given up, which `endApply` says. */
  beginApply(stage: Stage): Application {
    this.application = new Application(this.engine, this.members, stage);
    return this.application;
  }

  /** The stage is stepped no more. Until it is whole, what of it is in keeps this node catching up. */
  endApply(application: Application): void {
    if (this.application === application) this.application = null;
  }

  /** Takes in what a peer has acknowledged. Kept in memory; `settle` saves it. Throws `clock-ahead`. */
  acknowledge(peer: ToldAcknowledgements & Pick<Hello, 'node' | 'nodeId' | 'rulesHash' | 'dropped' | 'behind'>): void {
    const { acknowledgements, clock, limits } = this.engine;
    refuseIfAhead(peer.node, peer, { nowMs: clock.nowMs(), clockAheadSecondsMax: limits.clockAheadSecondsMax });
    acknowledgements.learn(peer.nodeId, peer);
    this.settling.gone.hear(peer.nodeId, peer.behind);
    this.rules.heard.hear(peer.node, peer.rulesHash);
  }

  /**
   * Saves what was acknowledged, raises the horizon, and drops the metadata of rows that every member has: a bounded
   * part of it. Nothing is settled while a stage is half applied. And says what is to be said of tables that are gone.
   */
  settle(): { more: boolean; hasNews: boolean } {
    return this.settling.step(this.maySettle());
  }

  private maySettle(): boolean {
    const isApplying = this.application !== null && !this.application.isDone;
    return !isApplying && this.engine.state.get('catch_up') === '' && !this.engine.orphans.isDue;
  }

  /** Removes log entries that are folded and older than this, a bounded number; the newest always stays. */
  pruneLog(olderThanHlc: number): { removed: number; more: boolean } {
    return pruneLog(this.engine, olderThanHlc);
  }

  /** Removes conflict records and operations that are closed, settled and older than these: a bounded number. */
  pruneRecords(ages: RecordAges): { removed: number; more: boolean } {
    this.recordPruning ??= new RecordPruning(this.engine, ages);
    const { removed, more } = this.recordPruning.step(UPKEEP_ROWS_MAX);
    if (!more) this.recordPruning = null;
    return { removed, more };
  }

  /** What of the history can go, and who holds the rest. Log entries not younger than this may go. */
  planPrune(olderThanHlc: number): Slices<PrunePlan> {
    return planPrune(this.engine, this.members, this.settling.horizon(), olderThanHlc);
  }

  /** Ends the memberships of members that have been silent for too long, if this node may: one write transaction. */
  evictSilent(request: EvictionRequest): Eviction {
    return this.members.evictSilent(request);
  }

  /** The sponsor's side of a join or a rejoin: the node becomes a member before its snapshot is cut. */
  admitMember(member: NewMember, rejoining: Rejoining | null = null): void {
    admitMember(this.engine, this.members, member, rejoining);
  }

  /** Changes by table that a member has not acknowledged, as far as this node has heard, and that are not `kept` either. */
  unsentChanges(member: string, kept: Readonly<Record<string, number>> = {}): Record<string, number> {
    const known = this.members.all().filter(({ name }) => name === member);
    return unsentChanges(this.engine, known.at(-1)?.nodeId ?? null, null, kept);
  }

  /** Makes a peer's snapshot this node's next file, with all in it that only this one has. See rejoin.ts. */
  rejoinOn(seed: Database, options: RejoinOptions): RejoinOutcome {
    return rejoinOn(seed, this.engine, options);
  }

  /** Does any member have a key of its own? */
  get hasCredentials(): boolean {
    return hasCredentials(this.engine.options.writer);
  }

  /** Makes a key known to all members. One that is known already stays as it is. */
  addCredential(credential: NewCredential): void {
    const { engine } = this;
    if (this.credentials.withId(credential.id) !== null) return;
    engine.writeTransaction(() => {
      const issuedAtMs = engine.clock.nowMs();
      const hlc = nextHlc(engine.log.last(), issuedAtMs);
      insertCredential(engine.options.writer, engine.log, hlc, credential, { issuedAtMs });
      engine.foldToEnd();
    });
  }

  /** Saves what is kept in memory. The connections are the caller's to close. */
  close(): void {
    if (this.hasUnsaved) this.engine.writeTransaction(() => this.save());
  }

  private get hasUnsaved(): boolean {
    const { acknowledgements, cursors } = this.engine;
    return acknowledgements.hasUnsaved || cursors.hasUnsaved || this.rules.heard.hasUnsaved;
  }

  private save(): void {
    this.engine.acknowledgements.save();
    this.engine.cursors.save();
    this.rules.heard.save();
  }

  /** Keeps how a comparison with another node ended. */
  noteVerification(peer: string, differences: number, isWhole: boolean): void {
    noteVerification(this.engine, peer, differences, isWhole);
  }

  /** What every table goes by, and who has adopted that. */
  rulesStatus(): RulesStatus {
    return readRulesStatus(this.rules, this.members.names(), this.node);
  }

  /** In one go, however long it takes. */
  status(): ReplicaStatus {
    return allAtOnce(this.statusInSlices());
  }

  /** The same, read in slices that each take some milliseconds. */
  statusInSlices(): Slices<ReplicaStatus> {
    return readReplicaStatus(this.engine, this.members, this.rules);
  }

  /** Tries changes again that wait in quarantine. Ids are those of kept-changes.ts. */
  retryKeptChanges(ids: readonly string[]): KeptDecision[] {
    return retryKeptChanges(this.engine, ids);
  }

  /** Enters what an operator had this process do. */
  recordOperation(record: OperationRecord): void {
    const { engine } = this;
    engine.writeTransaction(() => {
      insertOperation(engine.options.writer, record, engine.clock.nowMs());
      engine.logOwnWrite(OPERATION_TABLE.id, OP.insert, [record.id], 0);
    });
  }

  /** Gives changes up that wait in quarantine, on every node, and enters that among the operations. */
  discardKeptChanges(ids: readonly string[], operation: Omit<OperationRecord, 'detail' | 'result'>): KeptDecision[] {
    if (this.members.isReader) throw decidesNothing(this.node);
    return discardKeptChanges(this.engine, ids, operation);
  }
}
