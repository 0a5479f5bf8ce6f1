import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import * as incoming from '../../src/messages/incoming/published';
import * as out from '../../src/messages/outgoing/schemas';
import { ContactMerged, SCHEMA_VERSION, SCHEMA_VERSIONS } from '../../src/messages/outgoing/schemas';
import * as example from '../../tools/contracts/examples';

const MERGED = example.MERGED[0]?.payload as ContactMerged;

describe('contact.merged', () => {
  it('has a schema that accepts the message unchanged', () => {
    expect(ContactMerged.parse(MERGED)).toEqual(MERGED);
    expect(MERGED.survivor.basket_token).toBe(MERGED.token.kept);
    expect(String(SCHEMA_VERSION)).toBe(SCHEMA_VERSIONS.at(-1));
  });

  it('is refused if a part that a mailer needs is missing', () => {
    for (const part of Object.keys(MERGED)) {
      expect(ContactMerged.safeParse({ ...MERGED, [part]: undefined }).success).toBe(false);
    }
  });
});

it('every message schema can be published as JSON Schema', () => {
  const schemas = [out, incoming]
    .flatMap((module): unknown[] => Object.values(module))
    .filter((value) => value instanceof z.ZodType);
  expect(schemas.length).toBeGreaterThan(10);
  for (const schema of schemas) expect(z.toJSONSchema(schema)).toMatchObject({ type: 'object' });
});
