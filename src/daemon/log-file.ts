/**
 * Standard error where it is a file. A stream of Node's gives up for good when a write fails once; a disk that is full is
 * not full for ever, and who looks at the log then should find that it goes on, and how much is missing.
 */
import { fstatSync, writeSync } from 'node:fs';

export class LogFile {
  /** Called with the number of lines that are missing, once a line has gone in again. */
  onBack: (lost: number) => void = () => {};
  private lost = 0;

  constructor(
    readonly fd: number,
    private readonly writeTo: (fd: number, bytes: Buffer) => number = writeSync,
  ) {}

  /** Null: what is behind the descriptor is no file (a pipe, a terminal). */
  static on(fd: number): LogFile | null {
    const stat = fstatSync(fd);
    return stat.isFile() || (stat.isCharacterDevice() && !process.stderr.isTTY) ? new LogFile(fd) : null;
  }

  write(line: string): void {
    try {
      for (let rest = Buffer.from(line); rest.length > 0; ) rest = rest.subarray(this.writeTo(this.fd, rest));
    } catch {
      this.lost += 1;
      return;
    }
    const { lost } = this;
    this.lost = 0;
    if (lost > 0) this.onBack(lost);
  }
}
