import { describe, expect, it } from '@jest/globals';
import { makeLog } from '../../src/observability/log';
import { readable } from '../../src/observability/readable';

/** The lines that a log for people writes. */
function written(write: (log: ReturnType<typeof makeLog>) => void, colour = false): string[] {
  const lines: string[] = [];
  write(makeLog('info', readable({ write: (line) => void lines.push(line) }, colour)));
  return lines.map((line) => line.replace(/^\d\d:\d\d:\d\d /, '--:--:-- '));
}

describe('a log for people', () => {
  it('is one line a message: time, level, text, and the fields with their names', () => {
    const lines = written((log) => {
      log.info({ url: 'http://127.0.0.1:8080', parts: ['fxa', 'http'] }, 'service is up');
      log
        .child({ queue: 'contacts.fxa' })
        .warn({ failure: { kind: 'busy', code: '55P03' }, events: 2 }, 'batch failed');
      log.error({ reason: 'it said "no"', problems: [{ at: 1 }], empty: '' }, 'failed');
    });
    expect(lines).toEqual([
      '--:--:-- INFO  service is up  url=http://127.0.0.1:8080  parts="fxa, http"\n',
      '--:--:-- WARN  batch failed  queue=contacts.fxa  failure.kind=busy  failure.code=55P03  events=2\n',
      '--:--:-- ERROR failed  reason="it said \\"no\\""  problems=[{"at":1}]  empty=""\n',
    ]);
  });

  it('shows where an error came from, and never its text', () => {
    const [line] = written((log) => log.fatal({ err: new TypeError('ada@mail.test') }, 'uncaught exception'));
    expect(line).toMatch(
      / FATAL uncaught exception {2}err\.type=TypeError {2}err\.code=TypeError {2}err\.stack=.*log\.test/,
    );
    expect(line).not.toContain('ada@');
  });

  it('cannot steer the terminal, and has colours only where asked', () => {
    const text = 'a\u001b[2Jb\u009bc\u202ed\n';
    expect(written((log) => log.warn({ reason: text }, text))).toEqual([
      '--:--:-- WARN  a\ufffd[2Jb\ufffdc\ufffdd\ufffd  reason="a\\u001b[2Jb\ufffdc\ufffdd\\n"\n',
    ]);
    expect(written((log) => log.warn('slow'), true)).toEqual(['--:--:-- \u001b[33mWARN \u001b[0m slow\n']);
  });
});
