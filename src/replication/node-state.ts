/**
 * The node's own facts in its file: who it is, its version vector, how far it has folded, and the numbers by which
 * metadata refers to sessions. Cached in memory: only the process that holds the file's lock writes them, and whoever
 * rolls a transaction back puts back what `remember` kept when it began.
 */
import type { Database, Statement } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import { type CaptureGap, parseGap } from './capture-gap.js';
import { FORMAT_VERSION, PREFIX } from './metadata-schema.js';
import { SETTLED_SESSION } from './stamp.js';
import { assertCurrentFormat } from './upgrade-format.js';
import { birthOf, nodeOf, sessionName } from './version-vector.js';

/** A source of randomness: `bytes` random bytes as lower-case hex. */
export interface RandomSource {
  hex(bytes: number): string;
}

/** The wall clock, in Unix milliseconds. */
export interface Clock {
  nowMs(): number;
}

/**
 * Rows of the state table.
 *   format, dataset, node, node_id  as design.md, section 6
 *   folded       HLC of the last folded log entry
 *   arrival      the highest arrival given out
 *   horizon      HLC up to which every member has everything
 *   dropped      the highest entry that has left the vector
 *   edits_floor  the highest edit count of a row whose metadata is gone
 *   log_from     HLC below which log entries have been removed
 *   untold       the highest arrival with other nodes' writes in it whose metadata, or part of it, is gone
 *   catch_up     JSON CatchUp while a stage is half applied, else ''
 *   gap          JSON CaptureGap while writes may have gone unrecorded, else ''
 *   read_only    1: nobody takes what is written here; see read-only.ts
 *   place        JSON FilePlace: where the file was when a daemon last served it; '' before the first time
 *   removed_conflicts  JSON ConflictGroup[]: closed conflicts that retention has removed, counted
 *   verified     JSON VerifiedPeers: how the last comparisons with other nodes ended
 *   rule_change  JSON WaitingChange while a change of the rules waits for its outcome here, else ''
 *   rules_heard  JSON: member → the hash of the rules it was last heard to go by
 *   leaving      JSON: names of captured tables that an adopted change of the rules leaves out, until they are let go of
 *   must_join    JSON: names of those who belonged when this node began a data set of its own, and must join it anew; else ''
 *   table_ids    the highest number that a table had which has been let go of
 *   merged       rows in which writes to different columns met and merged without a conflict
 *   unjudged     arrival beyond which rows have not been judged for a parent that they lack; -1: all have
 */
export interface StateFacts {
  format: number;
  dataset: string;
  node: string;
  node_id: string;
  folded: number;
  arrival: number;
  horizon: number;
  dropped: number;
  edits_floor: number;
  log_from: number;
  untold: number;
  catch_up: string;
  merged: number;
  gap: string;
  verified: string;
  place: string;
  removed_conflicts: string;
  unjudged: number;
  rule_change: string;
  rules_heard: string;
  read_only: number;
  leaving: string;
  must_join: string;
  table_ids: number;
}

/** The state of a file that has just been initialised; `folded` is set to its log's first marker by the installer. */
export function initialFacts(identity: { dataset: string; node: string; nodeId: string; folded: number }): StateFacts {
  const { dataset, node, nodeId, folded } = identity;
  const zero = { arrival: 0, horizon: 0, dropped: 0, edits_floor: 0, merged: 0, read_only: 0, log_from: 0, untold: 0 };
  const none = { catch_up: '', gap: '', verified: '', place: '', removed_conflicts: '', unjudged: -1 };
  const rules = { rule_change: '', rules_heard: '', leaving: '', must_join: '', table_ids: 0 };
  return { format: FORMAT_VERSION, dataset, node, node_id: nodeId, folded, ...none, ...rules, ...zero };
}

/** In metadata, the number of the session that stands for everything settled. */
export const SETTLED_SESSION_ID = 0;

export class NodeState {
  private facts!: StateFacts;
  private vectorEntries = new Map<string, number>();
  private idByName = new Map<string, number>();
  private nameById = new Map<number, string>();
  private ownSession: string | null = null;
  /** What the fact `gap` says, read once. */
  private gap: { readonly stored: string; readonly parsed: CaptureGap | null } = { stored: '', parsed: null };
  /** Session → highest HLC that is a row's, not a marker's; what came before this process began is taken for rows. */
  private rowHighs = new Map<string, number>();

  private readonly selectFacts: Statement<[], { name: keyof StateFacts; value: string | number }>;
  private readonly selectFact: Statement<[string], string | number>;
  private readonly upsertFact: Statement<[string, string | number]>;
  private readonly selectSessions: Statement<[], { id: number; name: string; hlc: number | null }>;
  private readonly insertSession: Statement<[string]>;
  private readonly updateEntry: Statement<[number | null, number]>;
  private readonly deleteSession: Statement<[number]>;

  constructor(
    db: Database,
    private readonly random: RandomSource,
  ) {
    this.selectFacts = db.prepare(`SELECT name, value FROM ${PREFIX}state`);
    this.selectFact = db
      .prepare(`SELECT value FROM ${PREFIX}state WHERE name = ?`)
      .pluck() as unknown as typeof this.selectFact;
    this.upsertFact = db.prepare(
      `INSERT INTO ${PREFIX}state(name, value) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value`,
    );
    this.selectSessions = db.prepare(`SELECT id, name, hlc FROM ${PREFIX}session`);
    this.insertSession = db.prepare(`INSERT INTO ${PREFIX}session(name) VALUES(?)`);
    this.updateEntry = db.prepare(`UPDATE ${PREFIX}session SET hlc = ? WHERE id = ?`);
    this.deleteSession = db.prepare(`DELETE FROM ${PREFIX}session WHERE id = ?`);
    this.load(db);
  }

  /** Reads everything, at the start. */
  private load(db: Database): void {
    const rows = this.selectFacts.all();
    this.facts = Object.fromEntries(rows.map(({ name, value }) => [name, value])) as unknown as StateFacts;
    assertCurrentFormat(this.facts.format, db.name);
    this.vectorEntries = new Map();
    this.idByName = new Map([[SETTLED_SESSION, SETTLED_SESSION_ID]]);
    this.nameById = new Map([[SETTLED_SESSION_ID, SETTLED_SESSION]]);
    for (const { id, name, hlc } of this.selectSessions.iterate()) {
      this.idByName.set(name, id);
      this.nameById.set(id, name);
      if (hlc !== null) this.vectorEntries.set(name, hlc);
    }
    for (const [session, hlc] of this.vectorEntries) this.rowHighs.set(session, hlc);
  }

  /**
   * Keeps what memory holds, and returns how to put it back when the transaction is rolled back. The file itself may not
   * be readable then: in rollback-journal mode somebody else can have it by that time.
   */
  remember(): () => void {
    const { ownSession } = this;
    const facts = { ...this.facts };
    const vectorEntries = new Map(this.vectorEntries);
    const idByName = new Map(this.idByName);
    const nameById = new Map(this.nameById);
    const rowHighs = new Map(this.rowHighs);
    return () => Object.assign(this, { ownSession, facts, vectorEntries, idByName, nameById, rowHighs });
  }

  /** The highest HLC of a session that may be a row's: beyond it there are only markers. */
  highestRowOf(session: string): number {
    return this.rowHighs.get(session) ?? 0;
  }

  /** Notes that a row bears this stamp. */
  noteRow(session: string, hlc: number): void {
    const known = this.rowHighs.get(session);
    if (known === undefined || known < hlc) this.rowHighs.set(session, hlc);
  }

  get<Name extends keyof StateFacts>(name: Name): StateFacts[Name] {
    return this.facts[name];
  }

  set<Name extends keyof StateFacts>(name: Name, value: StateFacts[Name]): void {
    if (this.facts[name] === value) return;
    this.facts[name] = value;
    this.upsertFact.run(name, value);
  }

  /** Reads a fact again that another process may have written. */
  refresh(name: keyof StateFacts): void {
    const value = this.selectFact.get(name);
    if (value !== undefined) Object.assign(this.facts, { [name]: value });
  }

  /**
   * Only this process writes these. Throws `database-replaced` when the file tells of another past: somebody has put an
   * older file's pages into it (`.restore`, `VACUUM INTO`, a copy over it), and what memory knows must not go there.
   */
  assertUnchanged(): void {
    for (const name of ['folded', 'arrival', 'node_id'] as const) {
      if (this.selectFact.get(name) === this.facts[name]) continue;
      throw new SqlsyncError('database-replaced', 'the file’s contents were replaced while it was served', {
        hint: 'start sqlsync again: it goes on from what the file holds now. Stop it before a file is restored.',
      });
    }
  }

  /** Counts rows in which writes to different columns met and merged. */
  countMerged(rows: number): void {
    this.set('merged', this.facts.merged + rows);
  }

  /** Hands out the next arrival; `saveArrival` writes the counter down before the transaction ends. */
  nextArrival(): number {
    this.facts.arrival += 1;
    return this.facts.arrival;
  }

  /** Counts arrivals that a statement has given out by itself. */
  skipArrivals(count: number): void {
    this.facts.arrival += count;
  }

  saveArrival(): void {
    this.upsertFact.run('arrival', this.facts.arrival);
  }

  get vector(): ReadonlyMap<string, number> {
    return this.vectorEntries;
  }

  /** What this node has of a session: one that has left the vector lies below `dropped`. */
  has(session: string): number {
    return this.vectorEntries.get(session) ?? Math.max(birthOf(session), this.facts.dropped);
  }

  /** Raises the vector's entries to at least those given. Says whether any rose. */
  raiseVector(entries: Iterable<readonly [string, number]>): boolean {
    let rose = false;
    for (const [session, hlc] of entries) {
      if (this.has(session) >= hlc) continue;
      this.updateEntry.run(hlc, this.sessionId(session));
      this.vectorEntries.set(session, hlc);
      rose = true;
    }
    return rose;
  }

  /** Lets sessions leave the vector: whoever lacks something of theirs is stale from now on. */
  dropEntries(sessions: Iterable<string>): void {
    let { dropped } = this.facts;
    for (const session of sessions) {
      dropped = Math.max(dropped, this.vectorEntries.get(session) ?? 0);
      this.updateEntry.run(null, this.sessionId(session));
      this.vectorEntries.delete(session);
      this.rowHighs.delete(session);
    }
    this.set('dropped', dropped);
  }

  /** Claims of this node's own sessions no more than this, and goes on in another. */
  replaceOwnEntries(entries: ReadonlyMap<number, number>): void {
    for (const [id, hlc] of entries) {
      const session = this.sessionNameOf(id);
      const entry = hlc > birthOf(session) ? hlc : null;
      this.updateEntry.run(entry, id);
      if (entry === null) this.vectorEntries.delete(session);
      else this.vectorEntries.set(session, entry);
    }
    this.ownSession = null;
  }

  /** Sessions that are known by name only. */
  namesOnly(): Map<number, string> {
    const found = [...this.nameById].filter(
      ([id, name]) => id !== SETTLED_SESSION_ID && name !== this.ownSession && !this.vectorEntries.has(name),
    );
    return new Map(found);
  }

  /** Forgets names that nothing refers to any more. */
  forgetNames(ids: Iterable<number>): void {
    for (const id of ids) {
      this.idByName.delete(this.sessionNameOf(id));
      this.nameById.delete(id);
      this.deleteSession.run(id);
    }
  }

  /** This process's session, or null while it has folded nothing. */
  get session(): string | null {
    return this.ownSession;
  }

  /** This process's session, made at its first fold: its birth is the last entry folded before. */
  ensureSession(): string {
    if (this.ownSession === null) {
      this.ownSession = this.newSession();
      this.sessionId(this.ownSession);
    }
    return this.ownSession;
  }

  /** The name of a session that nobody has had yet. */
  newSession(): string {
    return sessionName(this.facts.node, this.random.hex(8), this.facts.folded);
  }

  /** The number of a session in this file's metadata, given at first sight. */
  sessionId(name: string): number {
    const known = this.idByName.get(name);
    if (known !== undefined) return known;
    const id = Number(this.insertSession.run(name).lastInsertRowid);
    this.idByName.set(name, id);
    this.nameById.set(id, name);
    return id;
  }

  /** Writes that may have gone unrecorded; null: none are known. Asked for each row that is applied. */
  get captureGap(): CaptureGap | null {
    const stored = this.facts.gap;
    if (stored !== this.gap.stored) this.gap = { stored, parsed: parseGap(stored) };
    return this.gap.parsed;
  }

  /** May writes to this table have gone unrecorded? */
  isInGap(table: string): boolean {
    return this.captureGap?.tables.includes(table) ?? false;
  }

  /** What is written over in the gap goes into records at once from here on. */
  noteGapIsFull(): void {
    const gap = this.captureGap;
    if (gap !== null && gap.isFull === undefined) this.set('gap', JSON.stringify({ ...gap, isFull: true }));
  }

  /** Is this a session of this node, by its number? */
  isOwn(sessionId: number): boolean {
    return sessionId !== SETTLED_SESSION_ID && nodeOf(this.sessionNameOf(sessionId)) === this.facts.node;
  }

  sessionNameOf(id: number): string {
    const name = this.nameById.get(id);
    if (name === undefined) throw new Error(`metadata names session ${id}, which the file does not know`);
    return name;
  }

  /** Has any session of this node been heard of? */
  hasHeardFrom(node: string): boolean {
    for (const session of this.idByName.keys()) if (nodeOf(session) === node) return true;
    return false;
  }
}
