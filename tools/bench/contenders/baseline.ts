/**
 * The idiomatic baseline: what a good engineer writes first with the same packages. An amqplib consumer with a prefetch,
 * and one interactive Prisma transaction a message that writes the same rows as OneContact with Prisma's own calls. It
 * never merges: after a collision there are still two contacts.
 *
 *     node tools/run.mjs script tools/bench/contenders/baseline.ts CONCURRENCY
 */
import './probe';
import { randomUUID } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import { v7 } from 'uuid';
import { z } from 'zod';
import { Prisma, PrismaClient } from '../../../src/postgres/generated/prisma/client';
import { connect } from '../../../src/rabbitmq/amqplib';
import { WORK_QUEUES } from '../broker';

const Details = z.object({
  first_name: z.string(),
  last_name: z.string(),
  lang: z.string(),
  country: z.string(),
  format: z.string(),
  source_url: z.string(),
});

const NewsletterMessage = z.discriminatedUnion('event', [
  Details.extend({
    event: z.literal('newsletter.subscribe'),
    ts: z.number(),
    email: z.string(),
    newsletters: z.array(z.string()),
  }),
  z.object({
    event: z.literal('newsletter.unsubscribe'),
    ts: z.number(),
    email: z.string(),
    newsletters: z.array(z.string()),
  }),
]);
type NewsletterMessage = z.infer<typeof NewsletterMessage>;

const AccountMessage = z
  .object({
    event: z.string(),
    uid: z.string(),
    email: z.string(),
    timestamp: z.number(),
    locale: z.string().nullable().default(null),
    countryCode: z.string().nullable().default(null),
    service: z.string().nullable().default(null),
    newsletters: z.array(z.string()).default([]),
  })
  .transform(({ countryCode, ...rest }) => ({ ...rest, country: countryCode?.toLowerCase() ?? null }));
type AccountMessage = z.infer<typeof AccountMessage>;

/** The prefetch of each queue, and the size of the connection pool. */
const concurrency = Number(process.argv[2]);
const prisma = new PrismaClient({
  adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL ?? '', max: concurrency, options: '-c jit=off' }),
});

type Transaction = Prisma.TransactionClient;

async function start(): Promise<void> {
  await prisma.$connect();
  const model = await connect(process.env.AMQP_URL ?? '', { noDelay: true });
  const channel = await model.createChannel();
  await channel.prefetch(concurrency); // per consumer: quorum queues support no other
  for (const queue of WORK_QUEUES) {
    await channel.consume(queue, async (message) => {
      if (!message) return;
      await handle(JSON.parse(message.content.toString()));
      channel.ack(message);
    });
  }
  process.stdout.write('{"level":"info","msg":"service is up"}\n');
}

const HANDLED = ['verified', 'login', 'primaryEmailChanged', 'newsletter.subscribe', 'newsletter.unsubscribe'];

/** Retries when a concurrent message created the same row: the next attempt finds it. */
async function handle(body: { event: string }): Promise<void> {
  if (!HANDLED.includes(body.event)) return;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await prisma.$transaction(
        (tx) =>
          body.event.startsWith('newsletter.')
            ? newsletterEvent(tx, NewsletterMessage.parse(body))
            : accountEvent(tx, AccountMessage.parse(body)),
        { maxWait: 30_000, timeout: 30_000 },
      );
      return;
    } catch (error) {
      const isConflict =
        error instanceof Prisma.PrismaClientKnownRequestError && ['P2002', 'P2034'].includes(error.code);
      if (!isConflict || attempt === 5) throw error;
    }
  }
}

async function newsletterEvent(tx: Transaction, message: NewsletterMessage): Promise<void> {
  const { event, email: typed, newsletters } = message;
  const address = typed.toLowerCase();
  const at = new Date(message.ts * 1_000);
  const profile = event === 'newsletter.subscribe' ? profileOf(message, at) : {};
  const known = await tx.emailAddress.findUnique({ where: { address } });
  if (known) {
    await tx.emailAddress.update({ where: { address }, data: { typed, typedAt: at, ...profile } });
    await tx.contact.update({ where: { id: known.contactId }, data: { version: { increment: 1 } } });
  } else {
    const contactId = await createContact(tx);
    await tx.emailAddress.create({ data: { address, typed, typedAt: at, contactId, ...profile } });
  }
  const choice = { originKind: 'address', origin: address, at, proven: false } as const;
  if (event === 'newsletter.subscribe') {
    const { source_url: source, lang, format } = message;
    await createChoices(tx, { ...choice, act: 'subscribe', source, lang, format }, newsletters);
  } else await createChoices(tx, { ...choice, act: 'unsubscribe' }, newsletters);
}

function profileOf(message: z.infer<typeof Details>, at: Date) {
  const { first_name: firstName, last_name: lastName, lang, country, format } = message;
  const times = { firstNameAt: at, lastNameAt: at, langAt: at, countryAt: at, formatAt: at };
  return { firstName, lastName, lang, country, format, ...times };
}

async function accountEvent(tx: Transaction, message: AccountMessage): Promise<void> {
  const { uid, event, email: typed, newsletters } = message;
  const address = typed.toLowerCase();
  const at = new Date(message.timestamp);
  const account = await tx.account.findUnique({ where: { uid } });
  const known = await tx.emailAddress.findUnique({ where: { address } });
  const contactId = account?.contactId ?? known?.contactId ?? (await createContact(tx));
  if (!known) await tx.emailAddress.create({ data: { address, typed, typedAt: at, contactId } });
  else await tx.emailAddress.update({ where: { address }, data: { typed, typedAt: at } });
  if (!account) {
    const { locale, country, service } = message;
    await tx.account.create({
      data: { uid, contactId, locale, localeAt: at, country, countryAt: at, service, serviceAt: at },
    });
  }
  if (account || known) await tx.contact.update({ where: { id: contactId }, data: { version: { increment: 1 } } });
  await tx.addressClaim.createMany({
    data: [{ address, uid, at, event, eventId: `${event} ${uid} ${message.timestamp}` }],
    skipDuplicates: true,
  });
  const choice = { originKind: 'account', origin: uid, at, act: 'subscribe', proven: true, source: event } as const;
  await createChoices(tx, choice, newsletters);
}

async function createChoices(
  tx: Transaction,
  choice: Omit<Prisma.ChoiceCreateManyInput, 'newsletter'>,
  newsletters: readonly string[],
): Promise<void> {
  if (newsletters.length === 0) return;
  await tx.choice.createMany({
    data: newsletters.map((newsletter) => ({ ...choice, newsletter })),
    skipDuplicates: true,
  });
}

async function createContact(tx: Transaction): Promise<string> {
  const id = v7();
  await tx.contact.create({ data: { id } });
  await tx.basketToken.create({ data: { token: randomUUID(), contactId: id } });
  return id;
}

void start();
