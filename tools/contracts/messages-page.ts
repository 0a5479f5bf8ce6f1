import { FXA_EVENTS, NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import {
  ACCOUNT_MESSAGES,
  CONTACT_MESSAGES,
  DEAD_LETTER_MESSAGES,
  type MessageSpec,
  NEWSLETTER_MESSAGES,
} from './catalogue';
import type { Step } from './examples';
import { fieldTable, jsonBlock } from './reference';

/** The script that leads to a message; a test runs it. */
function script(steps: readonly Step[]): string {
  const lines = steps.map((step) => {
    if ('command' in step) return step.command;
    const exchange = (step.event as { event: string }).event.startsWith('newsletter.') ? NEWSLETTER_EVENTS : FXA_EVENTS;
    const headers = Object.entries(step.headers ?? {}).map(([name, value]) => ` ${name}=${value}`);
    return `publish ${exchange} '${JSON.stringify(step.event)}'${headers.join('')}`;
  });
  return `\`\`\`sh\n${lines.join('\n')}\n\`\`\``;
}

function section({ name, title, summary, payload, headers, examples }: MessageSpec): string {
  return [
    `### ${name}`,
    ...(title === name ? [] : [`**${title}.**`]),
    summary,
    ...examples.flatMap(({ name: what, headers: sent, payload: body, after }) => [
      ...(after ? [script(after)] : []),
      `${what}${sent ? `, with the headers \`${JSON.stringify(sent)}\`` : ''}:`,
      jsonBlock(body),
    ]),
    ...(payload ? [fieldTable(payload)] : ['The content is that of the original message.']),
    `Headers: \`contracts/${headers.name}.schema.json\`.`,
  ].join('\n\n');
}

const sections = (specs: readonly MessageSpec[]): string => specs.map(section).join('\n\n');

/** docs/reference/messages.md */
export const messagesPage = (): string => `# Message reference

<!-- Generated from tools/contracts/catalogue.ts by \`npm run contracts\`: do not edit. -->

Every message in and out, with examples that a test validates. The folder \`contracts/\` has each as JSON Schema, \`NAME.schema.json\`;
\`contracts/asyncapi.json\` has all of them as AsyncAPI 3, with exchanges and queues.

## Account events in

Published to the topic exchange \`fxa.events\`. The routing key is the event's name with \`:\` as \`.\`. Order and repetition do not
matter. Types that concern no contact are acknowledged and counted.

${sections(ACCOUNT_MESSAGES)}

## Newsletter events in

Published to the topic exchange \`newsletter.events\`. The routing key is the field \`event\`.

${sections(NEWSLETTER_MESSAGES)}

## Messages out

Published to the topic exchange \`contacts.events\`, persistent; the routing key is the \`type\`. The queue \`mailer.contact-events\` is
bound to it. [messages-out.md](../messages-out.md) has the rules for consumers, and when each type is sent.
TypeScript has their types in \`onecontact/client\` ([client.md](client.md)).

Before each example stands a script that leads to it: a test runs it in an empty database, with \`NOTIFY_CHANGES\` and
\`NOTIFY_CONFIRMATIONS\` on, and compares the message. \`publish EXCHANGE BODY [HEADER=VALUE]\` stands for your way to publish to RabbitMQ,
and \`$MERGE_ID\` for the \`merge_id\` of the \`contact.merged\` before.

${sections(CONTACT_MESSAGES)}

## Dead letters

In the queue \`contacts.dead-letters\`, for the commands of \`onecontact dead-letters\`.

${sections(DEAD_LETTER_MESSAGES)}
`;
