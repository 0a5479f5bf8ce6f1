/** The whole message path with a real broker and database: both workflows, bad and ignored messages, notifications. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '../../src/main';
import { ContactEmailChanged, ContactMerged } from '../../src/messages/outgoing/schemas';
import { DEAD_LETTERS, FXA_EVENTS, FXA_QUEUE, MAILER_QUEUE, NEWSLETTER_EVENTS } from '../../src/rabbitmq/names';
import { withBroker } from '../support/broker';
import { freshDatabase, type TestDatabase } from '../support/database';
import { acct, addressOf, at, del, signup, uidOf } from '../support/events';
import { type Answer, eventually, get, publish, startOn } from '../support/service';

const broker = withBroker();
let database: TestDatabase;
let service: Service;

beforeAll(async () => {
  database = await freshDatabase();
  service = await startOn(broker(), database);
});
afterAll(async () => {
  expect(await service?.stop()).toBe(true);
  await database?.drop();
});

const byEmail = (name: string) => () => get(service, `/contacts/by-email/${encodeURIComponent(addressOf(name).key)}`);
const found = ({ status }: Answer): boolean => status === 200;
const has = (name: string, value: unknown) => (answer: Answer) =>
  JSON.stringify(answer.body[name]) === JSON.stringify(value);
const counted = async (line: RegExp): Promise<number> =>
  Number(line.exec((await get(service, '/metrics')).text)?.[1] ?? 0);

describe('the two workflows of CTMS issue 1017', () => {
  it('sign-up first ends in one live contact and one live token; the other token and id answer 404; one contact.merged', async () => {
    await publish(broker(), acct('w1', 'w1a', 1));
    const one = await eventually(byEmail('w1a'), found);
    await publish(broker(), signup('w1b', ['privacy-weekly'], 2));
    const two = await eventually(byEmail('w1b'), found);
    expect(two.body.contact_id).not.toBe(one.body.contact_id);

    await publish(broker(), acct('w1', 'w1b', 3));
    const merged = await eventually(byEmail('w1b'), has('account_id', uidOf('w1')));
    expect(merged.body).toMatchObject({
      contact_id: one.body.contact_id,
      basket_token: two.body.basket_token, // mail to the new primary address carries it
      addresses: ['w1a@mail.test', 'w1b@mail.test'],
      primary_email: 'w1b@mail.test',
      newsletters: { 'privacy-weekly': { state: 'subscribed', since: new Date(at(2)).toISOString() } },
    });
    const unknown = await get(service, '/contacts/by-token/00000000-0000-4000-8000-000000000000');
    const retired = await get(service, `/contacts/by-token/${one.body.basket_token}`);
    expect([retired.status, retired.text]).toEqual([404, unknown.text]);
    expect(await get(service, `/contacts/${two.body.contact_id}`)).toEqual(unknown);
    expect((await get(service, `/contacts/by-token/${two.body.basket_token}`)).body).toEqual(merged.body);

    const message = await broker().next(MAILER_QUEUE);
    const body = ContactMerged.parse(JSON.parse(message.content.toString()));
    expect(message.properties).toMatchObject({
      messageId: body.merge_id,
      type: 'contact.merged',
      contentType: 'application/json',
      deliveryMode: 2,
    });
    expect(message.properties.headers).toMatchObject({ 'schema-version': '2' });
    expect(body).toMatchObject({
      reason: 'claim',
      trigger: { source: 'fxa', event: 'primaryEmailChanged', event_time: new Date(at(3)).toISOString() },
      survivor: {
        contact_id: one.body.contact_id,
        primary_email: 'w1b@mail.test',
        account_id: uidOf('w1'),
        version: merged.body.version,
      },
      retired: { contact_id: two.body.contact_id, account_id: null, addresses: ['w1b@mail.test'] },
      former_addresses: ['w1a@mail.test'],
      newsletters: { 'privacy-weekly': { state: 'subscribed' } },
      newsletters_added: ['privacy-weekly'],
      token: {
        policy: 'address',
        reason: 'held_primary_address',
        kept: two.body.basket_token,
        retired: one.body.basket_token,
      },
    });
    const history = await get(service, `/contacts/${one.body.contact_id}/history`);
    expect(history.body.merges).toMatchObject([
      { merge_id: body.merge_id, reason: 'claim', token: { policy: 'address', reason: 'held_primary_address' } },
    ]);

    const second = await broker().next(MAILER_QUEUE);
    expect(second.properties).toMatchObject({ type: 'contact.email_changed', messageId: expect.any(String) });
    expect(ContactEmailChanged.parse(JSON.parse(second.content.toString()))).toMatchObject({
      trigger: { event: 'primaryEmailChanged', event_time: new Date(at(3)).toISOString() },
      contact: { contact_id: one.body.contact_id, primary_email: 'w1b@mail.test', basket_token: two.body.basket_token },
      former_email: 'w1a@mail.test',
      former_addresses: ['w1a@mail.test'],
      merge_id: body.merge_id,
    });
  });

  it('change first has one contact from the start and one token; no merge is announced', async () => {
    await publish(broker(), acct('w2', 'w2a', 1), acct('w2', 'w2b', 2));
    const one = await eventually(byEmail('w2b'), has('primary_email', 'w2b@mail.test'));
    await publish(broker(), signup('w2b', ['x'], 3));
    const after = await eventually(byEmail('w2b'), ({ body }) => JSON.stringify(body.newsletters) !== '{}');
    expect(after.body).toMatchObject({ contact_id: one.body.contact_id, basket_token: one.body.basket_token });
    expect(await database.sql('SELECT FROM merge WHERE uid = $1', [uidOf('w2')])).toEqual([]);
    // The change of the primary address is announced if the two events came in different batches.
    const announced = await broker().ready(MAILER_QUEUE);
    for (let i = 0; i < announced; i++) {
      expect((await broker().next(MAILER_QUEUE)).properties.type).toBe('contact.email_changed');
    }
  });

  it('an account created again with the same address gets the contact, its token and its subscriptions', async () => {
    await publish(broker(), acct('old', 'again', 1), signup('again', ['x'], 2));
    const before = await eventually(
      byEmail('again'),
      ({ body }) => body.account_id === uidOf('old') && JSON.stringify(body.newsletters) !== '{}',
    );
    await publish(broker(), del('old', 3));
    await eventually(byEmail('again'), has('account_id', null));
    await publish(broker(), acct('new', 'again', 4));
    const after = await eventually(byEmail('again'), has('account_id', uidOf('new')));
    expect(after.body).toMatchObject({
      contact_id: before.body.contact_id,
      basket_token: before.body.basket_token,
      newsletters: before.body.newsletters,
    });
    expect((await get(service, `/contacts/by-account/${uidOf('old')}`)).status).toBe(404);
  });
});

describe('ignored and bad messages', () => {
  it('unhandled events are acknowledged and counted, known types by name, others as other', async () => {
    const [device, other] = [
      /type="device:create",outcome="ignored"\} (\d+)/,
      /type="other",outcome="ignored"\} (\d+)/,
    ];
    const before = [await counted(device), await counted(other)] as const;
    await broker().send(FXA_EVENTS, 'device.create', ['{"event":"device:create","uid":"x","ts":1}']);
    await broker().send(FXA_EVENTS, 'new.thing', ['{"event":"new:thing"}', '{"event":"another:thing"}']);
    await eventually(
      () => counted(device),
      (n) => n === before[0] + 1,
    );
    await eventually(
      () => counted(other),
      (n) => n === before[1] + 2,
    );
    expect(await broker().ready(DEAD_LETTERS)).toBe(0);
  });

  it.each([
    ['no address', { event: 'primaryEmailChanged', uid: uidOf('r'), ts: at(1) / 1000 }, 'invalid_address', /email/],
    [
      'an impossible address',
      { event: 'login', uid: uidOf('r'), ts: at(1) / 1000, email: 'null@mail.test' },
      'invalid_address',
      /email/,
    ],
    ['milliseconds for seconds', { event: 'delete', uid: uidOf('r'), ts: at(1) }, 'invalid_time', /ts/],
    ['an invalid uid', { event: 'delete', uid: 'who', ts: at(1) / 1000 }, 'invalid_shape', /uid/],
    ['a number as text', { event: 'delete', uid: uidOf('r'), ts: '1' }, 'invalid_shape', /ts/],
  ])(
    'an account event with %s is dead-lettered, with a reason that names field and problem',
    async (_, body, reason, error) => {
      await broker().send(FXA_EVENTS, 'x', [JSON.stringify(body)]);
      const { content, properties } = await broker().next(DEAD_LETTERS);
      expect(JSON.parse(content.toString())).toEqual(body);
      expect(properties.headers).toMatchObject({
        reason,
        error: expect.stringMatching(error),
        attempts: 0,
        'origin-queue': FXA_QUEUE,
      });
      expect(properties.headers).toMatchObject({ 'first-seen': expect.any(String), 'last-seen': expect.any(String) });
    },
  );

  it.each([
    ['invalid JSON', '{"event":', 'not_json'],
    ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'not_json'],
    ['too many bytes', JSON.stringify({ event: 'newsletter.subscribe', pad: 'x'.repeat(300_000) }), 'too_large'],
    [
      'an unknown token',
      '{"event":"newsletter.confirm","ts":1769000100,"token":"00000000-0000-4000-8000-000000000000"}',
      'unknown_token',
    ],
  ])('a newsletter message with %s is dead-lettered', async (_, body, reason) => {
    await broker().send(NEWSLETTER_EVENTS, 'x', [body as string]);
    expect((await broker().next(DEAD_LETTERS)).properties.headers).toMatchObject({ reason });
  });

  it('one bad message in a batch of 500 is dead-lettered alone, and 499 are done', async () => {
    const ok = Array.from({ length: 499 }, (_, i) =>
      JSON.stringify({
        event: 'newsletter.subscribe',
        ts: at(1) / 1000,
        email: `many${i}@mail.test`,
        newsletters: ['x'],
      }),
    );
    const bad = JSON.stringify({
      event: 'newsletter.subscribe',
      ts: at(1) / 1000,
      email: 'no address',
      newsletters: ['x'],
    });
    await broker().send(NEWSLETTER_EVENTS, 'newsletter.subscribe', [...ok.slice(0, 250), bad, ...ok.slice(250)]);
    const many = async () =>
      (await database.sql<{ n: number }>(`SELECT count(*)::int AS n FROM email_address WHERE address LIKE 'many%'`))[0]
        ?.n;
    await eventually(many, (n) => n === 499);
    expect(JSON.parse((await broker().next(DEAD_LETTERS)).content.toString())).toMatchObject({ email: 'no address' });
    expect(await broker().ready(DEAD_LETTERS)).toBe(0);
  });
});
