import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ControlClient } from '../../../src/daemon/control/control-client.js';
import { ControlServer } from '../../../src/daemon/control/control-server.js';
import { makeFolder } from '../../support/make-folder.js';
import { TestNode } from '../node.js';

describe('the control socket', () => {
  it('tells a command of its owner what the daemon knows', async () => {
    const node = await TestNode.first(makeFolder(), 'paris').start();
    const status = await (await node.control()).status();
    expect(status).toMatchObject({
      pid: process.pid,
      listen: `127.0.0.1:${node.daemon?.address?.port}`,
      databases: [{ name: 'shop', path: node.path, problems: [], peers: [], replica: { node: 'paris', tables: 1 } }],
    });
    expect(statSync(`${node.path}.sqlsync/control.sock`).mode & 0o777).toBe(0o600);
  });

  it('stops the daemon, and is gone with it', async () => {
    const node = await TestNode.first(makeFolder(), 'paris').start();
    await (await node.control()).stop();
    expect(await node.daemon?.stopped).toBeNull();
    expect(await ControlClient.find(node.path)).toBeNull();
  });

  it('is found in no file that a killed daemon left', async () => {
    const node = await TestNode.first(makeFolder(), 'paris').start();
    rmSync(`${node.path}.sqlsync/control.sock`);
    expect(await ControlClient.find(node.path)).toBeNull();
  });

  it('stands elsewhere when its path is too long for a socket', async () => {
    const long = join(makeFolder(), 'x'.repeat(100), 'control.sock');
    const server = await ControlServer.listen(
      long,
      async () => null,
      () => {},
    );
    onTestFinished(() => server.close(AbortSignal.timeout(100)));
    expect(server.path).not.toBe(long);
    expect(server.path.length).toBeLessThan(100);
  });
});
