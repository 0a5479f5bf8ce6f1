import { Variables } from '../../src/config';
import { readVersion } from '../../src/http/version';
import { definitionsFor } from '../../src/operations/topology/definitions';
import { asyncApi } from './asyncapi';
import { jsonSchema, SCHEMAS } from './catalogue';
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

/** Invalid for every variable because of its control character, so that the error says what the variable must be. */
const NO_VALUE = '\u0007';

/** docs/configuration.md, generated from the schema that reads the environment. */
function configurationPage(): string {
  const rows = Object.entries(Variables.shape).map(([name, schema]) => {
    const fallback = schema.safeParse(undefined);
    const given = !fallback.success ? 'required' : fallback.data === null ? 'none' : `\`${fallback.data}\``;
    const must = schema.safeParse(NO_VALUE).error?.issues[0]?.message ?? '';
    const [meaning, rule] = [schema.description ?? '', must].map((text) => text.replaceAll('|', '\\|'));
    return `| \`${name}\` | ${given} | ${meaning} | ${rule} |`;
  });
  return `# Configuration

<!-- Generated from src/config.ts by \`npm run contracts\`: do not edit. -->

The environment is all of it. It is read once, at the start of a command; each command reads only what it uses, lists
every problem at once, and never prints a value. An empty variable is one that is not set. A variable that ends in \`_FILE\`
names a file; it is refused beside the variable that it stands for.

| Variable | Default | What it is for | What a refusal says |
| --- | --- | --- | --- |
${rows.join('\n')}

The demo, the tests and the benchmarks never touch \`AMQP_URL\` or \`DATABASE_URL\`: they bring servers of their own, or take
an empty vhost and an empty database from \`TEST_AMQP_URL\` and \`TEST_DATABASE_URL\`. \`ONECONTACT_SERVICES\` (\`url\`, \`docker\`,
\`local\`, \`fetch\`, with commas between) picks where their servers come from, and \`ONECONTACT_RABBITMQ\` the version of a broker
that is fetched or in a container: 3.10, 4.0 or 4.3.
`;
}
