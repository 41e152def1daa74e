/** A change of the rules, step by step: who freezes, who decides, and what a node does in between. */
import { afterEach, describe, expect, test } from 'vitest';
import { membersBehind } from '../../src/replication/rule-agreement.js';
import type { RuleVote } from '../../src/replication/rule-changes.js';
import { type RuleChange, undecided } from '../../src/replication/rules.js';
import { EngineCluster, type EngineNode, stageOf } from '../support/engine-node.js';

const clusters: EngineCluster[] = [];
afterEach(() => {
  for (const cluster of clusters.splice(0)) cluster.close();
});

function nodes(count = 3): [EngineNode, EngineNode, EngineNode] {
  const cluster = new EngineCluster('CREATE TABLE item(k TEXT PRIMARY KEY, a, b)', count);
  clusters.push(cluster);
  cluster.nodes[0]?.app.exec("INSERT INTO item VALUES('k', 0, 0)");
  cluster.settleDown();
  return cluster.nodes as [EngineNode, EngineNode, EngineNode];
}

let changes = 0;
function change(node: EngineNode, strategy: 'lww' | 'version' = 'lww'): RuleChange {
  changes += 1;
  const rule = { ...undecided('item'), strategy };
  return { id: String(changes).padStart(32, '0'), node: node.name, at: 1, rules: [rule] };
}

const code = (expected: string) => expect.objectContaining({ code: expected });

function voteOf(member: EngineNode, asked: RuleChange, base: string): RuleVote {
  member.replica.rules.prepare(asked, base);
  return { hello: member.hello(), members: member.replica.memberNames };
}

function decide(coordinator: EngineNode, asked: RuleChange, votes: readonly RuleVote[]): string | null {
  const record = { id: asked.id, node: coordinator.name, operator: 'ann', command: 'rules set', detail: null };
  return coordinator.replica.rules.decide(votes, { ...record, result: 'done' });
}

/** From the beginning to the decision. */
function decideAmong(coordinator: EngineNode, others: readonly EngineNode[], asked: RuleChange): string | null {
  const base = coordinator.hello().rulesHash;
  coordinator.replica.rules.begin(asked);
  return decide(
    coordinator,
    asked,
    others.map((member) => voteOf(member, asked, base)),
  );
}

describe('a change of the rules', () => {
  test('is nothing that a read-only member decides, but something that it goes along with', () => {
    const [paris, lyon, nice] = nodes();
    paris.setAccess(nice, 'read');
    for (const to of [lyon, nice, lyon]) expect(to.pull(paris)).toBeTypeOf('number');
    nice.app.exec("INSERT INTO item VALUES('its own', 0, 0)");
    nice.foldAll();
    expect(() => nice.replica.rules.begin(change(nice))).toThrow(code('member-read-only'));
    const asked = change(paris);
    expect(decideAmong(paris, [lyon, nice], asked)).toBeNull();
    nice.replica.rules.commit(asked.id, 'n0');
    expect(nice.hello().rulesHash).toBe(paris.hello().rulesHash);
  });

  test('is agreed on though some have let go of sessions that others still name', () => {
    const [paris, lyon, nice] = nodes();
    const all = [paris, lyon, nice];
    for (let round = 0; round < 6; round += 1) {
      nice.kill();
      nice.open();
      nice.app.exec(`UPDATE item SET a = ${round}`);
      nice.foldAll();
      for (const to of all) for (const from of all) if (to !== from) to.pull(from);
      if (round > 2) while (paris.replica.settle().more);
    }
    for (const to of all) for (const from of all) if (to !== from) to.pull(from);
    const sessions = all.map((node) => Object.keys(node.hello().vector).length);
    expect(sessions[0]).toBeLessThan(sessions[1] as number);
    expect(all.map((node) => node.replica.rules.isAgreedAsHeard())).toEqual([true, true, true]);
    expect(decideAmong(paris, [lyon, nice], change(paris))).toBeNull();
  });

  test('is made by the coordinator, and by the others when they hear of it', () => {
    const [paris, lyon, nice] = nodes();
    const asked = change(paris);
    const before = paris.hello().rulesHash;
    expect(decideAmong(paris, [lyon, nice], asked)).toBeNull();
    lyon.replica.rules.commit(asked.id, 'n0');
    expect(paris.hello()).toMatchObject({ ruleChange: null, rulesHash: lyon.hello().rulesHash });
    expect(nice.hello()).toMatchObject({ ruleChange: asked.id, rulesHash: before });
    expect(nice.replica.rules.learnFrom(lyon.hello())).toBe(true);
    for (const node of [paris, lyon, nice]) {
      expect(node.replica.rules.effective('item')).toMatchObject({ strategy: 'lww', own: true });
      node.kill();
      node.open();
      expect(node.hello().rulesHash).toBe(paris.hello().rulesHash);
    }
    expect(nice.pull(paris)).toBe(1);
    expect(nice.app.prepare('SELECT operator, result FROM _sqlsync_operation').all()).toContainEqual({
      operator: 'ann',
      result: 'done',
    });
  });

  test('is not decided while one has what another but its author lacks', () => {
    const [paris, lyon, nice] = nodes();
    lyon.app.exec('UPDATE item SET a = 1');
    nice.pull(lyon);
    expect(decideAmong(paris, [lyon, nice], change(paris))).toContain('n0 had not received');
    expect(paris.replica.rules.effective('item').strategy).toBe('merge');
  });

  test('is decided while each has writes that nobody else has', () => {
    const [paris, lyon, nice] = nodes();
    for (const node of [paris, lyon, nice]) node.app.exec(`UPDATE item SET a = '${node.name}'`);
    expect(decideAmong(paris, [lyon, nice], change(paris))).toBeNull();
  });

  test('needs the vote of every member that any of them knows', () => {
    const [paris, lyon, nice] = nodes();
    const asked = change(paris);
    const base = paris.hello().rulesHash;
    lyon.replica.admitMember({ name: 'rome', nodeId: 'ab'.repeat(16), access: 'write' });
    paris.replica.rules.begin(asked);
    const votes = [lyon, nice].map((member) => voteOf(member, asked, base));
    expect(decide(paris, asked, votes.slice(1))).toContain('n1 has not agreed');
    expect(decide(paris, asked, votes)).toContain('n1 knows other members');
  });

  test('with two nodes at once is one or none', () => {
    const [paris, lyon, nice] = nodes();
    const [mine, theirs] = [change(paris), change(lyon)];
    const base = paris.hello().rulesHash;
    paris.replica.rules.begin(mine);
    lyon.replica.rules.begin(theirs);
    nice.replica.rules.prepare(mine, base);
    expect(() => nice.replica.rules.prepare(theirs, base)).toThrow(code('rules-changing'));
    expect(() => lyon.replica.rules.prepare(mine, base)).toThrow(code('rules-changing'));
    expect(() => paris.replica.rules.begin(change(paris))).toThrow(code('rules-changing'));
  });
});

describe('a node that waits for the outcome', () => {
  test('applies nothing, ships nothing that counts, and admits nobody; over a restart too', () => {
    const [paris, lyon] = nodes();
    lyon.app.exec('UPDATE item SET a = 1');
    const stage = stageOf(lyon, paris.hello());
    paris.replica.rules.prepare(change(lyon), paris.hello().rulesHash);
    for (const restart of [false, true]) {
      if (restart) {
        paris.kill();
        paris.open();
      }
      expect(paris.pull(lyon)).toBe('rules-changing');
      expect(lyon.pull(paris)).toBe('rules-changing');
      expect(() => paris.replica.beginApply(stage).step()).toThrow(code('rules-changing'));
      const rome = { name: 'rome', nodeId: 'ab'.repeat(16), access: 'write' } as const;
      expect(() => paris.replica.admitMember(rome)).toThrow(code('rules-changing'));
    }
    expect(paris.app.prepare('SELECT a FROM item').pluck().get()).toBe(0);
  });

  test('goes on when it hears that there will be none, and only from who decides', () => {
    const [paris, lyon, nice] = nodes();
    const asked = change(paris);
    nice.replica.rules.prepare(asked, nice.hello().rulesHash);
    expect(() => nice.replica.rules.abort(asked.id, 'n1')).toThrow(code('rules-changing'));
    expect(() => nice.replica.rules.commit(asked.id, 'n1')).toThrow(code('rules-differ'));
    nice.replica.rules.abort(asked.id, 'n0');
    lyon.app.exec('UPDATE item SET a = 1');
    expect(nice.pull(lyon)).toBe(1);
  });

  test('is not frozen by a message that comes after the change was given up', () => {
    const [paris, , nice] = nodes();
    const asked = change(paris);
    nice.replica.rules.abort(asked.id, 'n0');
    expect(() => nice.replica.rules.prepare(asked, nice.hello().rulesHash)).toThrow(code('rules-changing'));
    expect(nice.hello().ruleChange).toBeNull();
  });
});

describe('a node refuses to take part', () => {
  test('in a change of rules that it does not go by, and in the outcome of one it never heard of', () => {
    const [paris, lyon] = nodes();
    expect(() => lyon.replica.rules.prepare(change(paris), '0'.repeat(64))).toThrow(code('rules-differ'));
    expect(() => lyon.replica.rules.commit(change(paris).id, 'n0')).toThrow(code('rules-differ'));
  });

  test('while it keeps rows that its schema cannot hold: they are joined later', () => {
    const [paris, lyon] = nodes();
    lyon.app.exec('ALTER TABLE item ADD COLUMN c; UPDATE item SET c = 1');
    lyon.foldAll();
    expect(paris.pull(lyon)).toBe(1);
    expect(() => paris.replica.rules.begin(change(paris))).toThrow(code('schema-differs'));
  });
});

test('a stream that was cut before the rules changed is dropped, and rules never come as rows', () => {
  const [paris, lyon, nice] = nodes();
  lyon.app.exec('UPDATE item SET a = 1');
  const late = stageOf(lyon, paris.hello());
  const asked = change(paris);
  expect(decideAmong(paris, [lyon, nice], asked)).toBeNull();
  expect(() => paris.replica.beginApply(late).step()).toThrow(code('batch-outdated'));

  lyon.replica.rules.commit(asked.id, 'n0');
  const stage = stageOf(lyon, paris.hello());
  const renamed = { ...stage, batches: () => batchesOfRules(stage) };
  expect(() => paris.replica.beginApply(renamed).step()).toThrow(code('batch-refused'));
});

/** The stage, were its rows those of the rule table. */
function* batchesOfRules(stage: ReturnType<typeof stageOf>) {
  for (const { tables, rows } of stage.batches()) {
    yield { tables: tables.map((table) => ({ ...table, name: '_sqlsync_rule' })), rows };
  }
}

test('a coordinator that is gone is taken over from by all that are left: they adopt what one of them has heard', () => {
  for (const hasHeard of [true, false]) {
    const [paris, lyon, nice] = nodes();
    const asked = change(paris);
    expect(decideAmong(paris, [lyon, nice], asked)).toBeNull();
    if (hasHeard) nice.replica.rules.commit(asked.id, 'n0');
    expect(lyon.replica.rules.fence(asked.id, 'n1')).toBe('undecided');
    expect(nice.replica.rules.fence(asked.id, 'n1')).toBe(hasHeard ? 'adopted' : 'undecided');
    // What the old one says now comes too late.
    if (!hasHeard) {
      expect(() => nice.replica.rules.commit(asked.id, 'n0')).toThrow(code('rules-differ'));
      expect(nice.replica.rules.learnFrom(paris.hello())).toBe(false);
    }
    for (const { replica } of [lyon, nice]) {
      if (hasHeard) replica.rules.commit(asked.id, 'n1');
      else replica.rules.abort(asked.id, 'n1');
    }
    expect(lyon.hello()).toMatchObject({ ruleChange: null, rulesHash: nice.hello().rulesHash });
    expect(lyon.replica.rules.effective('item').strategy).toBe(hasHeard ? 'lww' : 'merge');
    expect(nice.pull(lyon)).toBe(0);
  }
});

test('members are behind when they lack what others than its author have', () => {
  const session = (node: string) => `${node}.0000000000000000@5`;
  const member = (node: string, entries: Record<string, number>, dropped = 0) => ({
    node,
    dropped,
    vector: Object.fromEntries(Object.entries(entries).map(([name, hlc]) => [session(name), hlc])),
  });
  expect(membersBehind([member('a', { a: 9 }), member('b', { a: 7 }), member('c', { a: 7 })])).toEqual([]);
  expect(membersBehind([member('a', { a: 9 }), member('b', { a: 7 }), member('c', { a: 8 })])).toEqual(['b']);
  expect(membersBehind([member('a', { a: 6 }), member('b', { a: 7 }), member('c', { a: 7 })])).toEqual(['a']);
  // A session that has written nothing after its birth, one that everybody had, and one of somebody who is gone.
  expect(membersBehind([member('a', {}), member('b', { a: 5 })])).toEqual([]);
  expect(membersBehind([member('a', {}, 8), member('b', { gone: 8 }), member('c', { gone: 8 })])).toEqual([]);
  expect(membersBehind([member('a', {}), member('b', { gone: 8 })])).toEqual(['a']);
});
