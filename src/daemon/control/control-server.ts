/** The daemon's side of its control socket. See control-protocol.ts. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { SqlsyncError } from '../../errors.js';
import { answerOf } from '../peer/error-answer.js';
import { readJson } from '../peer/http-peer.js';
import {
  CONTROL_ANSWER_TYPE,
  CONTROL_PATH,
  type ControlLine,
  type ControlProgress,
  type ControlRequest,
  controlRequestSchema,
} from './control-protocol.js';

const REQUEST_BYTES_MAX = 1024 * 1024;
/** The system takes socket paths of at most so many bytes (unix(7): 108 with the NUL). */
const SOCKET_PATH_BYTES_MAX = 100;

/** Does what a request asks for; its result goes to the asker as JSON. */
export type ControlHandler = (
  request: ControlRequest,
  onProgress: (progress: ControlProgress) => void,
  signal: AbortSignal,
) => Promise<unknown>;

export class ControlServer {
  private constructor(
    private readonly server: Server,
    readonly path: string,
    private readonly wantedPath: string,
  ) {}

  /** Listens at `wantedPath`, or where the path is too long for a socket, in a directory of the user's own. */
  static async listen(
    wantedPath: string,
    handle: ControlHandler,
    onBug: (error: unknown) => void,
  ): Promise<ControlServer> {
    const path = socketPath(wantedPath, process.env.XDG_RUNTIME_DIR ?? tmpdir());
    // Whoever left this one is dead: this process holds the file's lock.
    rmSync(path, { force: true });
    const server = createServer((request, response) => void answer(request, response, handle, onBug));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(
          new SqlsyncError('listen-failed', `cannot listen on the control socket ${path}: ${cause.message}`, { cause }),
        ),
      );
      server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
    return new ControlServer(server, path, wantedPath);
  }

  /** Lets answers under way finish, until the signal aborts. */
  async close(deadline: AbortSignal): Promise<void> {
    const cutOff = () => this.server.closeAllConnections();
    deadline.addEventListener('abort', cutOff, { once: true });
    await new Promise((resolve) => {
      this.server.close(resolve);
      this.server.closeIdleConnections();
      if (deadline.aborted) cutOff();
    });
    deadline.removeEventListener('abort', cutOff);
    rmSync(this.path, { force: true });
    if (this.path !== this.wantedPath) rmSync(dirname(this.path), { recursive: true, force: true });
  }
}

function socketPath(wanted: string, runtimeDirectory: string): string {
  if (Buffer.byteLength(wanted) <= SOCKET_PATH_BYTES_MAX) return wanted;
  // Where all may write, a directory of our own with a name nobody could foresee keeps others out.
  return join(mkdtempSync(join(runtimeDirectory, 'sqlsync-')), 'control.sock');
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  handle: ControlHandler,
  onBug: (error: unknown) => void,
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort(new SqlsyncError('interrupted', 'nobody waits for the answer')));
  const say = (line: ControlLine) => response.write(`${JSON.stringify(line)}\n`);
  response.writeHead(200, { 'content-type': CONTROL_ANSWER_TYPE });
  try {
    const asked = controlRequestSchema.safeParse(await readJson(request, REQUEST_BYTES_MAX));
    if (request.url !== CONTROL_PATH || !asked.success) {
      throw new SqlsyncError('usage', 'the daemon does not understand the request', {
        hint: 'restart the daemon if sqlsync has been upgraded since it started',
      });
    }
    say({ result: (await handle(asked.data, (progress) => say({ progress }), gone.signal)) ?? null });
  } catch (error) {
    say({ error: answerOf(error) });
    if (!(error instanceof SqlsyncError)) onBug(error);
  }
  response.end();
}
