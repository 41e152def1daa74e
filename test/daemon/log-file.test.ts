import { mkdirSync, openSync, readFileSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { LogFile } from '../../src/daemon/log-file.js';
import { makeFolder } from '../support/make-folder.js';
import { mountSmallDisk, smallDiskRefused, unmount } from '../support/small-disk.js';

it('goes on when there is room again, and says how many lines are missing', () => {
  const path = join(makeFolder(), 'log');
  let room = 5;
  const log = new LogFile(openSync(path, 'w'), (fd, bytes) => {
    if (room === 0) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    const written = writeSync(fd, bytes.subarray(0, room));
    room -= written;
    return written;
  });
  const lost: number[] = [];
  log.onBack = (lines) => lost.push(lines);
  log.write('one\n');
  log.write('two\n');
  log.write('three\n');
  expect(lost).toEqual([]);
  room = 1_000;
  log.write('four\n');
  log.write('five\n');
  expect(lost).toEqual([2]);
  // Of a line that did not fit its beginning stays.
  expect(readFileSync(path, 'utf8')).toBe('one\ntfour\nfive\n');
});

// Only who may mount has a disk that is small enough to fill.
it.skipIf(smallDiskRefused !== null)('does so on a disk that is full (needs mount)', () => {
  const disk = join(makeFolder(), 'disk');
  mkdirSync(disk);
  mountSmallDisk(disk);
  onTestFinished(() => unmount(disk));
  const log = new LogFile(openSync(join(disk, 'log'), 'w'));
  const ballast = join(disk, 'ballast');
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(ballast, Buffer.alloc(bavail * bsize));
  const lost: number[] = [];
  log.onBack = (lines) => lost.push(lines);
  log.write('lost\n');
  rmSync(ballast);
  log.write('there\n');
  expect([lost, readFileSync(join(disk, 'log'), 'utf8')]).toEqual([[1], 'there\n']);
});
