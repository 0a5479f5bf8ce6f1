import { readVersion } from '../../src/http/version';
import { definitionsFor } from '../../src/operations/topology/definitions';
import { asyncApi } from './asyncapi';
import { jsonSchema, SCHEMAS } from './catalogue';
import { configurationPage, envExample } from './configuration';
import { httpPage } from './http-page';
import { messagesPage } from './messages-page';
import { openApi } from './openapi';

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** All generated files: path in the checkout, and content. */
export function generatedFiles(): Map<string, string> {
  const files = new Map([
    ['contracts/asyncapi.json', json(asyncApi(readVersion().version))],
    ['contracts/openapi.json', json(openApi(readVersion().version))],
    ['docs/configuration.md', configurationPage()],
    ['.env.example', envExample()],
    ['docs/reference/http.md', httpPage()],
    ['docs/reference/messages.md', messagesPage()],
    ['deploy/rabbitmq/definitions.json', json(definitionsFor({ vhost: '/', major: 4 }))],
    ['deploy/rabbitmq/definitions-3.json', json(definitionsFor({ vhost: '/', major: 3 }))],
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
