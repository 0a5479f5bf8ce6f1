import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import * as example from '../../dev/contracts/examples';
import * as envelope from '../../src/events/envelope';
import * as fxa from '../../src/events/fxa';
import * as newsletter from '../../src/events/newsletter';
import * as out from '../../src/events/out';
import { ContactMerged, SCHEMA_VERSION } from '../../src/events/out';

const MERGED = example.MERGED[0]?.payload as ContactMerged;

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
