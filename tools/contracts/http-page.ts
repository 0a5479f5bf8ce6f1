import { ENDPOINTS } from './http';
import { BUSY, FAILED, MISSING_SCOPE, NOT_AUTHORISED } from './http-examples';
import { type AnswerSpec, type EndpointSpec, HTTP_SCHEMAS } from './http-spec';
import { fieldTable, jsonBlock } from './reference';

const titleOf = ({ method, path }: EndpointSpec): string => `${method.toUpperCase()} ${path}`;

/** The request as a new user would send it; a test runs it. */
function script({ method, path, scope, parameters, request }: EndpointSpec): string {
  const url = path.replace(/\{(\w+)\}/g, (_, name: string) => parameters[name]?.example ?? '');
  const lines = [
    `curl -s "$ONECONTACT${url}"`,
    ...(method === 'post' ? ['-X POST'] : []),
    ...(scope ? ['-H "Authorization: Bearer $API_KEY"'] : []),
    ...(request ? bodyOf(request) : []),
  ];
  return `\`\`\`sh\n${lines.join(' \\\n  ')}\n\`\`\``;
}

const bodyOf = ({ type = 'application/json', shell, example }: NonNullable<EndpointSpec['request']>): string[] => [
  `-H 'Content-Type: ${type}'`,
  `-d ${shell ?? `'${JSON.stringify(example)}'`}`,
];

/** @param shown the examples that stand further up, each with the title of its section */
function answerText(title: string, answer: AnswerSpec, shown: Map<unknown, string>): string {
  const { status, description, schema, example, headers = {} } = answer;
  const names = Object.entries(headers).map(([name, meaning]) => ` \`${name}\`: ${lowerFirst(meaning)}.`);
  const head = `**${status}** ${description}.${names.join('')}`;
  if (example === '') return `${head} There is no body.`;
  const earlier = shown.get(example);
  if (earlier !== undefined) return `${head} The body is like that of \`${earlier}\`.`;
  shown.set(example, title);
  return `${head}\n\n${schema === null ? `\`\`\`text\n${String(example).trimEnd()}\n\`\`\`` : jsonBlock(example)}`;
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** Refusals that look the same wherever they occur are shown once. */
const COMMON: readonly unknown[] = [NOT_AUTHORISED, MISSING_SCOPE, FAILED, BUSY];
const isCommon = ({ example }: AnswerSpec): boolean => COMMON.includes(example);

function section(endpoint: EndpointSpec, shown: Map<unknown, string>): string {
  const { summary, description, scope, parameters, query = {}, answers } = endpoint;
  const names = [...Object.entries(parameters), ...Object.entries(query)];
  const common = answers.filter(isCommon).map(({ status }) => status);
  return [
    `## ${titleOf(endpoint)}`,
    [`${summary}.`, description, scope ? `Scope: \`${scope}\`.` : 'No key is needed.'].filter(Boolean).join(' '),
    ...(names.length > 0 ? [names.map(([name, { description }]) => `- \`${name}\`: ${description}.`).join('\n')] : []),
    script(endpoint),
    ...answers.filter((answer) => !isCommon(answer)).map((answer) => answerText(titleOf(endpoint), answer, shown)),
    ...(common.length > 0 ? [`Also ${common.join(', ')}: see [refusals](#refusals).`] : []),
  ].join('\n\n');
}

const refusals = (): string =>
  COMMON.flatMap((example) => {
    const answer = ENDPOINTS.flatMap(({ answers }) => answers).find((each) => each.example === example);
    return answer ? answerText('', answer, new Map()) : [];
  }).join('\n\n');

const SHOWN = [
  ...([
    'Contact',
    'LookupAnswer',
    'History',
    'Changes',
    'Preferences',
    'EventsAnswer',
    'SecurityEventRefusal',
  ] as const),
  ...(['Error', 'Heartbeat'] as const),
];

/** docs/reference/http.md */
export function httpPage(): string {
  const shown = new Map<unknown, string>();
  return `# HTTP reference

<!-- Generated from tools/contracts/http.ts by \`npm run contracts\`: do not edit. -->

Every endpoint, with a request that you can run and an example of each answer. The same as OpenAPI 3.1:
\`contracts/openapi.json\`. For TypeScript there is a client, \`onecontact/client\` ([client.md](client.md)). A test runs the requests
of this page against the service, provokes the refusals, and compares the answers.

The requests need two variables. Without any key the service listens on this machine only, and takes any value for the second.

\`\`\`sh
export ONECONTACT=http://127.0.0.1:8080
export API_KEY=the-key-of-your-site
export TOKEN=a-token-of-your-account-provider   # for /events/account only
\`\`\`

- **Keys.** \`Authorization: Bearer KEY\`, with the scope that the endpoint names ([operations.md](../operations.md)).
- **Unknown fields.** Ignore them: later versions add some.
- **Unknown keys.** A token, address, account or id that opens no live contact is answered 404, always with the same body: be it
  unknown, malformed, retired by a merge, closed or erased. There is no redirect to the survivor.
- **Versions.** Of two copies of a contact, the one with the greater \`version\` is the newer. It rises with every change that
  readers can see. \`created_at\` and \`updated_at\` are times of the stored contact: when it was stored (or the time that an import
  gave), and when its \`version\` last rose. All times within \`newsletters\`, and \`opted_out_at\`, are event times.
- **Newsletters.** \`state\` and \`since\` say what is in effect. \`source\`, \`lang\`, \`format\`, \`reason\` and \`fields\` are those of the
  latest choice; where it gave no \`lang\` or \`format\`, the contact's apply. \`pending\` is a subscription that waits for its
  confirmation, because it was made without proof after an opt-out.
- **Caches.** Answers about contacts are never cached: \`Cache-Control: no-store\`.

${ENDPOINTS.map((endpoint) => section(endpoint, shown)).join('\n\n')}

## Refusals

Every refusal is JSON with Basket's codes. It never repeats a key, an address or a token.

${refusals()}

## Fields

${SHOWN.map((name) => `### ${name}\n\n${fieldTable(HTTP_SCHEMAS[name])}`).join('\n\n')}
`;
}
