import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { FXA_QUEUE, NEWSLETTER_QUEUE } from '../../../src/rabbitmq/names';
import { withBroker } from '../../support/broker';
import { onecontact, type Ran } from '../../support/command-line';

const broker = withBroker();

const UID = '8d2ccb15aaaabbbbccccdddd00001111';
const signUp = JSON.stringify({
  event: 'newsletter.subscribe',
  email: 'ada@mail.test',
  newsletters: ['privacy-weekly'],
  ts: 1764000060,
});
const account = JSON.stringify({ event: 'primaryEmailChanged', uid: UID, email: 'ada@mail.test', ts: 1764000120 });

async function* stdin(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}
const send = (text: string): Promise<Ran> => onecontact(['send'], { AMQP_URL: broker().url }, stdin(text));

describe('onecontact send', () => {
  it('publishes newsletter events and account events to the exchange of each', async () => {
    expect(await send(`${signUp}\n\n${account}\n`)).toEqual({ code: 0, out: 'Sent 2 messages.\n', err: '' });
    expect((await broker().next(NEWSLETTER_QUEUE)).content.toString()).toBe(signUp);
    expect((await broker().next(FXA_QUEUE)).content.toString()).toBe(account);
  });

  it('reads a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'onecontact-test-'));
    try {
      await writeFile(join(folder, 'events.ndjson'), signUp);
      const { code, out } = await onecontact(['send', join(folder, 'events.ndjson')], { AMQP_URL: broker().url });
      expect({ code, out }).toEqual({ code: 0, out: 'Sent 1 message.\n' });
      expect((await broker().next(NEWSLETTER_QUEUE)).content.toString()).toBe(signUp);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('does not send what the service would refuse: it names line and field, never the value, and fails', async () => {
    const withoutUid = JSON.stringify({ event: 'login', email: 'ada@mail.test', ts: 1764000120 });
    const { code, out, err } = await send(`${signUp}\nada@mail.test\n${withoutUid}\n`);
    expect({ code, out }).toEqual({ code: 1, out: 'Sent 1 message, rejected 2.\n' });
    expect(err).toMatch(/^line 2: message: .*JSON.*\nline 3: uid: .*\n$/);
    expect(err).not.toContain('ada@');
    await broker().next(NEWSLETTER_QUEUE);
  });

  it('says what is wrong with the file', async () => {
    const { code, err } = await onecontact(['send', '/nonexistent/events.ndjson'], { AMQP_URL: broker().url });
    expect(code).toBe(1);
    expect(err).toContain('no such file: /nonexistent/events.ndjson');
  });
});
