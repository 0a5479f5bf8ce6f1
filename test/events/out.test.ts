import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import * as envelope from '../../src/events/envelope';
import * as fxa from '../../src/events/fxa';
import * as newsletter from '../../src/events/newsletter';
import * as out from '../../src/events/out';
import { ContactMerged, SCHEMA_VERSION } from '../../src/events/out';

const MERGED: ContactMerged = {
  merge_id: '0d3e5b52-6d0e-4f0e-8a55-2a2f5f0c7e11',
  merged_at: '2026-01-21T12:55:24.000Z',
  reason: 'claim',
  trigger: { source: 'fxa', event: 'primaryEmailChanged', event_id: 'sns-1', event_time: '2026-01-21T12:55:23.456Z' },
  survivor: {
    contact_id: '11111111-2222-7333-8444-555555555555',
    primary_email: 'New.Name@mail.test',
    basket_token: '4c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11',
    lang: 'fr',
    format: null,
    account_id: '9f3c1a7be2d84c06b5a1e0774cd2f8aa',
    opted_out: false,
    version: 3,
  },
  retired: {
    contact_id: '21111111-2222-7333-8444-555555555555',
    basket_token: '5c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11',
    addresses: ['new.name@mail.test'],
  },
  former_addresses: ['old.name@mail.test'],
  newsletters: { 'privacy-weekly': { state: 'subscribed', since: '2026-01-20T00:00:00.000Z' } },
  newsletters_added: ['privacy-weekly'],
  token: {
    policy: 'address',
    reason: 'held_primary_address',
    kept: '4c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11',
    retired: '5c7a1d52-90de-4b6e-8a55-2a2f5f0c7e11',
  },
};

describe('contact.merged', () => {
  it('has a schema that takes what is sent, unchanged', () => {
    expect(ContactMerged.parse(MERGED)).toEqual(MERGED);
    expect(SCHEMA_VERSION).toBe('1');
  });

  it('is refused when a part that a mailer needs is missing', () => {
    for (const part of Object.keys(MERGED)) {
      expect(ContactMerged.safeParse({ ...MERGED, [part]: undefined }).success).toBe(false);
    }
  });
});

it('every schema of what comes in and goes out can be published as JSON Schema', () => {
  const schemas = [out, fxa, newsletter, envelope]
    .flatMap((module): unknown[] => Object.values(module))
    .filter((value) => value instanceof z.ZodType);
  expect(schemas.length).toBeGreaterThan(10);
  for (const schema of schemas) expect(z.toJSONSchema(schema)).toMatchObject({ type: 'object' });
});
