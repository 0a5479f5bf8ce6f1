import { describe, expect, it } from '@jest/globals';
import { AccountEventData, AccountEventToken, AccountEventWrapped } from '../../src/messages/incoming/published';
import { eventOf, flat, fxa, TYPES, token, UID, wrapped } from './examples';

const CHANGE = { email: 'New.Name@mail.test' };
const { event: _, ...FIELDS } = flat('primaryEmailChanged', CHANGE);
const IN_DATA = { event: 'primaryEmailChanged', data: FIELDS };
const IN_TOKEN = token({ 'profile-change': CHANGE });

describe('the four envelopes', () => {
  it.each([
    ['flat', flat('primaryEmailChanged', CHANGE)],
    ['wrapped', wrapped(flat('primaryEmailChanged', CHANGE))],
    ['under data', IN_DATA],
    ['under data, with the common fields beside it', { ...flat('primaryEmailChanged'), data: CHANGE }],
    ['under data, wrapped', wrapped(IN_DATA)],
    ['token', IN_TOKEN],
    ['token, wrapped', wrapped(IN_TOKEN)],
  ])('hold the same claim: %s', (_name, message) => {
    expect(eventOf(fxa(message))).toMatchObject({
      kind: 'claim',
      uid: UID,
      address: { key: 'new.name@mail.test', typed: 'New.Name@mail.test' },
      newsletters: [],
    });
  });

  it.each([
    ['flat', flat('delete')],
    ['wrapped', wrapped(flat('delete'))],
    ['under data', { event: 'delete', data: { uid: UID, ts: 1769000130.002 } }],
    ['token', token({ 'delete-user': {} })],
  ])('hold the same deletion: %s', (_name, message) => {
    expect(eventOf(fxa(message))).toMatchObject({ kind: 'deletion', uid: UID });
  });

  it('have published schemas that accept the examples', () => {
    expect(AccountEventWrapped.safeParse(wrapped(flat('delete'))).success).toBe(true);
    expect(AccountEventData.safeParse(IN_DATA).success).toBe(true);
    expect(AccountEventToken.safeParse(IN_TOKEN).success).toBe(true);
  });

  it.each([
    ['a wrapper whose Message is not JSON', { Message: 'event=delete' }, 'not_json', 'Message: is not JSON'],
    ['a wrapper around an array', { Message: '[]' }, 'invalid_shape', 'Message: must hold a JSON object'],
    ['a wrapper in a wrapper', wrapped(wrapped(flat('delete'))), 'invalid_shape', 'event: is missing'],
    ['a Message that is not a text', { Message: flat('delete') }, 'invalid_shape', 'event: is missing'],
    ['no event', { uid: UID, ts: 1769000130 }, 'invalid_shape', 'event: is missing'],
    ['an event that is not a text', flat('x', { event: 7 }), 'invalid_shape', 'event: must be a string'],
    ['an event of null', flat('x', { event: null }), 'invalid_shape', 'event: must be a string'],
    ['a token without events', token({}), 'invalid_shape', 'events: names no event type'],
    ['a token whose events are a list', { ...IN_TOKEN, events: [TYPES] }, 'invalid_shape', 'event: is missing'],
  ])('are the only ones: %s is a dead letter', (_name, message, reason, problem) => {
    expect(fxa(message)).toEqual({ kind: 'dead', reason, problems: [problem] });
  });
});

it('the account data under data is read like that of a flat event', () => {
  const data = { ...FIELDS, locale: 'de', service: 'sync', createDate: 1768000000 };
  expect(eventOf(fxa({ event: 'verified', data }))).toMatchObject({
    locale: 'de',
    service: 'sync',
    createdAt: 1768000000000,
  });
});

describe('a security event token', () => {
  it('has only the time of delivery, which is used to the millisecond', () => {
    expect(eventOf(fxa(token({ 'delete-user': {} }, { iat: 1769000123.9004 }))).at).toBe(1769000123900);
  });

  it('with several event types is a deletion when one of them is', () => {
    const both = token({ 'profile-change': CHANGE, 'password-change': { changeTime: 1 }, 'delete-user': {} });
    expect(eventOf(fxa(both)).kind).toBe('deletion');
  });

  it('with several event types is a change of profile before an ignored type', () => {
    const both = token({ 'password-change': { changeTime: 1 }, 'profile-change': CHANGE });
    expect(eventOf(fxa(both)).kind).toBe('claim');
  });

  it.each(['profile-change', 'password-change', 'subscription-state-change', 'metrics-opt-out', 'metrics-opt-in'])(
    'of type %s without an address is only counted, by name',
    (type) => {
      expect(fxa(token({ [type]: { accountDisabled: true } }))).toEqual({ kind: 'ignored', type });
    },
  );

  it('with another issuer’s types, or names that only flat events have, is counted as other', () => {
    expect(fxa({ ...IN_TOKEN, events: { 'https://other.test/event/delete-user': {} } })).toEqual({
      kind: 'ignored',
      type: 'other',
    });
    expect(fxa(token({ delete: {}, verified: CHANGE }))).toEqual({ kind: 'ignored', type: 'other' });
  });

  it('reports problems under its own field names', () => {
    expect(fxa(token({ 'delete-user': {} }, { sub: 'x', iat: 'now' }))).toMatchObject({
      reason: 'invalid_shape',
      problems: [expect.stringMatching(/^sub: /), expect.stringMatching(/^iat: /)],
    });
    expect(fxa(token({ 'delete-user': {} }, { iat: 1_769_000_123_900 }))).toEqual({
      kind: 'dead',
      reason: 'invalid_time',
      problems: ['iat: is more than a day ahead'],
    });
  });

  it('with two accounts is a dead letter', () => {
    const other = token({ 'profile-change': { ...CHANGE, uid: 'a'.repeat(32) } });
    expect(fxa(other)).toMatchObject({ kind: 'dead', reason: 'invalid_shape' });
    const same = token({ 'profile-change': { ...CHANGE, uid: UID.toUpperCase(), locale: 'de' } });
    expect(eventOf(fxa(same))).toMatchObject({ uid: UID, locale: 'de' });
  });

  it('may have a payload that is not an object', () => {
    expect(eventOf(fxa(token({ 'delete-user': null }))).kind).toBe('deletion');
    expect(fxa(token({ 'profile-change': 'x' }))).toEqual({ kind: 'ignored', type: 'profile-change' });
  });
});
