import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';

test('names the daemon that does not run, and has nothing to say when it does', async () => {
  const node = await ProcessNode.first(makeFolder(), 'paris', (path) => {
    const db = new Sqlite(path);
    db.exec('CREATE TABLE item(id TEXT PRIMARY KEY)');
    db.close();
  });
  onTestFinished(() => node.dispose());
  const down = await node.run(['explain']);
  expect(down).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('1. daemon-down: no daemon runs') });
  expect(down.stdout).toMatch(/^ {3}type: sqlsync start/m);
  await node.start();
  expect(await node.succeed(['explain'])).toMatchObject({ node: 'paris', healthy: true, causes: [] });
}, 60_000);
