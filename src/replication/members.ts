/** The members of the data set: rows of a replicated table of sqlsync's own. */
import type { Database, Statement } from 'better-sqlite3';
import { SqlsyncError } from '../errors.js';
import type { Engine } from './engine.js';
import { INTERNAL_TABLES, OP } from './metadata-schema.js';

export const [MEMBER_TABLE] = INTERNAL_TABLES;

export interface NewMember {
  readonly name: string;
  readonly nodeId: string;
  readonly access: 'read' | 'write';
}

/** Makes a member's row. The caller enters it into the change log. */
export function insertMember(db: Database, member: NewMember, nowMs: number): void {
  db.prepare(
    `INSERT INTO ${MEMBER_TABLE.name}(name, node_id, access, joined_at, removed) VALUES(?, ?, ?, ?, NULL) ` +
      'ON CONFLICT(name) DO UPDATE SET node_id = excluded.node_id, access = excluded.access, ' +
      'joined_at = excluded.joined_at, removed = NULL',
  ).run(member.name, member.nodeId, member.access, BigInt(nowMs));
}

export class Members {
  private readonly selectNames: Statement<[], string>;
  private readonly selectNodeId: Statement<[string], string>;

  constructor(
    private readonly db: Database,
    private readonly engine: Engine,
  ) {
    this.selectNames = db
      .prepare(`SELECT name FROM ${MEMBER_TABLE.name} WHERE removed IS NULL ORDER BY name`)
      .pluck() as unknown as Statement<[], string>;
    this.selectNodeId = db
      .prepare(`SELECT node_id FROM ${MEMBER_TABLE.name} WHERE name = ?`)
      .pluck() as unknown as Statement<[string], string>;
  }

  /** Names of the members that belong, this node among them. */
  names(): string[] {
    return this.selectNames.all();
  }

  nodeIdOf(name: string): string | null {
    return this.selectNodeId.get(name) ?? null;
  }

  /**
   * Makes a node a member. A name that another node has used is refused; one that was admitted and never came (its join
   * was cut short) may be taken anew.
   */
  admit(member: NewMember): void {
    const { engine } = this;
    const known = this.nodeIdOf(member.name);
    if (known !== null && known !== member.nodeId && engine.state.hasHeardFrom(member.name)) {
      throw new SqlsyncError('node-name-taken', `the data set has a node ${member.name} already`, {
        hint: 'choose another name with --node',
      });
    }
    engine.writeTransaction(() => {
      insertMember(this.db, member, engine.clock.nowMs());
      engine.logOwnWrite(MEMBER_TABLE.id, OP.insert, [member.name], 0);
      engine.foldToEnd();
    });
  }
}
