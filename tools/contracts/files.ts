import { readVersion } from '../../src/http/version';
import { asyncApi } from './asyncapi';
import { jsonSchema, SCHEMAS } from './catalogue';
import { configurationPage } from './configuration';

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** All generated files: path in the checkout, and content. */
export function generatedFiles(): Map<string, string> {
  const files = new Map([
    ['contracts/asyncapi.json', json(asyncApi(readVersion().version))],
    ['docs/configuration.md', configurationPage()],
  ]);
  for (const [name, { title, description, schema }] of SCHEMAS) {
    const head = {
      $schema: 'http://json-schema.org/draft-07/schema#',
      $id: `urn:onecontact:${name}`,
      title,
      description,
    };
    files.set(`contracts/${name}.schema.json`, json({ ...head, ...jsonSchema(schema) }));
  }
  return files;
}
