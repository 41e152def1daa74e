import { fstatSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createLogger, type LogFormat } from '../../src/daemon/logger.js';

function logTo(format: LogFormat, environment: Record<string, string> = {}, isTTY = false, fd = 2) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line), isTTY, fd };
  return { log: createLogger({ level: 'info', format, destination, environment }), lines };
}

describe('createLogger', () => {
  it('writes one JSON object a line, level by name and time in RFC 3339', () => {
    const { log, lines } = logTo('json');
    log.warn({ peer: 'lyon' }, 'peer offline');
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      peer: 'lyon',
      msg: 'peer offline',
    });
  });

  it('writes for a terminal in words', () => {
    const { log, lines } = logTo('auto', {}, true);
    log.info({ peer: 'lyon', error: 'no route to host' }, 'peer offline');
    expect(lines[0]).toMatch(/^\S+Z INFO {2}peer offline peer=lyon error="no route to host"\n$/);
  });

  it('writes for the journal with a priority, no time, and one line whatever the text', () => {
    const { dev, ino } = fstatSync(2);
    const { log, lines } = logTo('auto', { JOURNAL_STREAM: `${dev}:${ino}` });
    log.error({ database: 'shop' }, 'first\nsecond');
    log.fatal('a');
    log.warn('b');
    log.info('c');
    expect(lines).toEqual(['<3>first\\nsecond database=shop\n', '<2>a\n', '<4>b\n', '<6>c\n']);
  });

  it('does not take a stream that only inherits JOURNAL_STREAM for the journal', () => {
    const { log, lines } = logTo('auto', { JOURNAL_STREAM: '8:1' });
    log.error('redirected');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'error', msg: 'redirected' });
  });

  it.each<LogFormat>(['json', 'text', 'journald'])('keeps secrets out of format %s', (format) => {
    const { log, lines } = logTo(format);
    log.info({ secret: 'hunter2', headers: { authorization: 'Bearer hunter2' } }, 'request');
    expect(lines[0]).toContain('[redacted]');
    expect(lines[0]).not.toContain('hunter2');
  });

  it('is quiet below its level', () => {
    const { log, lines } = logTo('json');
    log.debug('nothing');
    expect(lines).toEqual([]);
  });
});
