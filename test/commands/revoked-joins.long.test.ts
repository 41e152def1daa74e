/** A member that was revoked, by mistake or for a stolen key, comes back under another name with the file it has. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { untilEqual } from '../support/compare-files.js';
import { ProcessNode } from '../support/process-node.js';
import { names, soon, startHub, untilState, write } from '../system/start-nodes.js';

const invite = async (hub: ProcessNode, name: string) =>
  ((await hub.succeed(['invite', name])) as { invite: string }).invite;

test.each(['a shared secret', 'an invitation'])(
  'join --replace after members revoke, for one that came by %s',
  async (by) => {
    const hub = await startHub();
    const url = by === 'an invitation' ? await invite(hub, 'east') : hub.url;
    const east = await ProcessNode.joining(hub, 'east', { url });
    onTestFinished(() => east.dispose());
    await east.start();
    write(east, `INSERT INTO item(id, name) VALUES(1, 'tea')`);
    await vi.waitFor(() => expect(names(hub)).toEqual(['tea']), soon);
    await hub.succeed(['members', 'revoke', 'east', '--yes']);
    await untilState(east, 'hub', 'error');
    write(east, `INSERT INTO item(id, name) VALUES(2, 'unsent')`);
    await east.end('SIGTERM');

    // Under its old name it is let in by nothing; who was invited knows no secret to try with.
    const refusal = by === 'an invitation' ? [78, 'secret-missing'] : [77, 'credential-revoked'];
    const again = await east.run(['join', hub.url, east.path, '--replace', '--node', 'east', '--json']);
    expect([again.exitCode, JSON.parse(again.stdout).error.code]).toEqual(refusal);
    expect(names(east)).toEqual(['tea', 'unsent']);
    const taken = await hub.run(['invite', 'east', '--json']);
    expect([taken.exitCode, JSON.parse(taken.stdout).error.code]).toEqual([77, 'node-name-taken']);

    const report = (await east.succeed(['join', await invite(hub, 'orient'), east.path, '--replace'])) as {
      node: string;
      setAside: string;
    };
    expect(report).toMatchObject({ node: 'orient', setAside: expect.stringContaining('before-join') });
    await east.start();
    write(east, `INSERT INTO item(id, name) VALUES(3, 'milk')`);
    await untilEqual([hub, east], 15_000);
    expect(names(hub)).toEqual(['tea', 'milk']);
    await hub.succeed(['members', 'remove', 'east', '--yes']);
    for (const node of [hub, east]) {
      await vi.waitFor(async () => expect((await node.status()).problems).toEqual([]), soon);
    }
  },
);
