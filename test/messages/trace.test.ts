import { describe, expect, it } from '@jest/globals';
import { aboutMessage } from '../../src/ingest/about-message';
import { traceIdOf, traceOf } from '../../src/messages/trace';
import { eventOf, flat, form, fxa, newsletter } from './examples';

const ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = `00-${ID}-00f067aa0ba902b7-01`;

describe('the trace in the headers', () => {
  it('is kept unchanged', () => {
    expect(traceOf({ traceparent: PARENT, tracestate: 'rojo=00f067aa0ba902b7, t61rcwkgmze@x=y/z' })).toEqual({
      parent: PARENT,
      state: 'rojo=00f067aa0ba902b7, t61rcwkgmze@x=y/z',
    });
    expect(traceOf({ traceparent: PARENT })).toEqual({ parent: PARENT });
    expect(traceIdOf(traceOf({ traceparent: PARENT }))).toBe(ID);
  });

  it.each([
    ['absent', undefined],
    ['no text', Buffer.from(PARENT)],
    ['upper case', PARENT.toUpperCase()],
    ['the version that is forbidden', PARENT.replace(/^00/, 'ff')],
    ['a trace id of zeros', PARENT.replace(ID, '0'.repeat(32))],
    ['a parent id of zeros', PARENT.replace('00f067aa0ba902b7', '0'.repeat(16))],
    ['too short', PARENT.slice(0, -1)],
    ['something behind', `${PARENT}\n`],
    ['something before', ` ${PARENT}`],
    ['an address', 'ada@mail.test'],
  ])('is not accepted: %s', (_what, traceparent) => {
    expect(traceOf({ traceparent, tracestate: 'a=b' })).toBeUndefined();
  });

  it.each([
    ['no text', 7],
    ['empty', ''],
    ['no value', 'a'],
    ['an empty value', 'a='],
    ['an equals sign too many', 'a=b=c'],
    ['a key in upper case', 'A=b'],
    ['a control character', 'a=b\u0000'],
    ['not ASCII', 'a=ü'],
    ['33 entries', Array.from({ length: 33 }, (_, i) => `k${i}=v`).join(',')],
    ['too long', `a=${'x'.repeat(200)},b=${'x'.repeat(200)},c=${'x'.repeat(200)}`],
  ])('has no state: %s', (_what, tracestate) => {
    expect(traceOf({ traceparent: PARENT, tracestate })).toEqual({ parent: PARENT });
  });

  it('is part of the event’s trigger, and nothing is decided by it', () => {
    const trace = { parent: PARENT };
    for (const read of [() => fxa(flat('delete'), { trace }), () => form(newsletter('confirm'), { trace })]) {
      expect(eventOf(read()).trigger.trace).toEqual(trace);
    }
    const { trigger, ...said } = eventOf(fxa(flat('delete'), { trace }));
    const { trigger: bare, ...same } = eventOf(fxa(flat('delete')));
    expect([said, trigger.id]).toEqual([same, bare.id]);
  });
});

describe('a log line about a message', () => {
  it('has the id of the event and that of its trace', () => {
    const id = '0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11';
    expect(aboutMessage(id, { parent: PARENT })).toEqual({ eventId: id, traceId: ID });
    expect(aboutMessage('a'.repeat(64), undefined)).toEqual({ eventId: 'a'.repeat(64) });
    expect(aboutMessage(undefined, undefined)).toEqual({});
  });

  it('has no id that could be a name or an address', () => {
    for (const id of ['ada@mail.test', 'ada-lovelace', 'form-1', '', ' '.repeat(20)]) {
      expect(aboutMessage(id, undefined)).toEqual({});
    }
  });
});
