/**
 * systemd's end of NOTIFY_SOCKET, in Python: Node has no Unix datagram sockets. Descriptors that come along are closed,
 * which is what `systemd-notify` waits for (BARRIER=1).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { makeFolder } from './make-folder.js';

const LISTENER = `
import json, os, socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
print('[]', flush=True)
while True:
    message, descriptors, _, _ = socket.recv_fds(listener, 65536, 8)
    for descriptor in descriptors:
        os.close(descriptor)
    print(json.dumps(message.decode().split('\\n')), flush=True)
`;

export interface NotifyListener {
  readonly path: string;
  /** What has come, barriers aside: the assignments of each message. */
  readonly messages: readonly (readonly string[])[];
}

export async function listenForNotify(): Promise<NotifyListener> {
  const path = join(makeFolder(), 'notify.sock');
  const child = spawn('python3', ['-c', LISTENER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const messages: string[][] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = (JSON.parse(line) as string[]).filter((assignment) => assignment !== '');
      if (message.length > 0 && message[0] !== 'BARRIER=1') messages.push(message);
    }
  });
  await once(child.stdout, 'data');
  return { path, messages };
}
