/**
 * The idiomatic baseline: what a good engineer writes first with the same packages. A consumer of amqplib with a
 * prefetch, and for each message one interactive transaction of Prisma that writes the rows that OneContact writes, with
 * Prisma's own calls. It has no rules beyond: a collision is stored, and the two contacts stay two.
 *
 *     node tools/run.mjs script tools/bench/contenders/baseline.ts CONCURRENCY
 */
import './probe';
import { randomUUID } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import { connect } from 'amqplib';
import { v7 } from 'uuid';
import { Prisma, PrismaClient } from '../../../src/postgres/generated/prisma/client';
import { WORK_QUEUES } from '../setup/broker';
import { AccountMessage, NewsletterMessage } from './baseline-messages';

/** Messages of a queue handled at once (the prefetch), and connections of the pool. */
const concurrency = Number(process.argv[2]);
const prisma = new PrismaClient({
  adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL ?? '', max: concurrency, options: '-c jit=off' }),
});

type Transaction = Prisma.TransactionClient;

async function start(): Promise<void> {
  await prisma.$connect();
  const model = await connect(process.env.AMQP_URL ?? '', { noDelay: true });
  const channel = await model.createChannel();
  await channel.prefetch(concurrency); // of each consumer: quorum queues have no other
  for (const queue of WORK_QUEUES) {
    await channel.consume(queue, async (message) => {
      if (!message) return;
      await handle(JSON.parse(message.content.toString()));
      channel.ack(message);
    });
  }
  process.stdout.write('{"level":"info","msg":"service is up"}\n');
}

/** Two messages that make the same row at once: the second one finds it when it tries again. */
async function handle(body: { event: string }): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await prisma.$transaction(
        (tx) =>
          body.event.startsWith('newsletter.')
            ? signUp(tx, NewsletterMessage.parse(body))
            : accountEvent(tx, AccountMessage.parse(body)),
        { maxWait: 30_000, timeout: 30_000 },
      );
      return;
    } catch (error) {
      const chance = error instanceof Prisma.PrismaClientKnownRequestError && ['P2002', 'P2034'].includes(error.code);
      if (!chance || attempt === 5) throw error;
    }
  }
}

async function signUp(tx: Transaction, message: NewsletterMessage): Promise<void> {
  const { email: typed, newsletters, first_name: firstName, last_name: lastName, lang, country, format } = message;
  const address = typed.toLowerCase();
  const at = new Date(message.ts * 1_000);
  const profile = { firstName, lastName, lang, country, format };
  const times = { typedAt: at, firstNameAt: at, lastNameAt: at, langAt: at, countryAt: at, formatAt: at };
  const known = await tx.emailAddress.findUnique({ where: { address } });
  if (known) {
    await tx.emailAddress.update({ where: { address }, data: { typed, ...profile, ...times } });
    await tx.contact.update({ where: { id: known.contactId }, data: { version: { increment: 1 } } });
  } else {
    const contactId = await createContact(tx);
    await tx.emailAddress.create({ data: { address, typed, contactId, ...profile, ...times } });
  }
  const origin = { originKind: 'address', origin: address } as const;
  const choice = { ...origin, at, act: 'subscribe', proven: false, source: message.source_url, lang, format } as const;
  await tx.choice.createMany({
    data: newsletters.map((newsletter) => ({ ...choice, newsletter })),
    skipDuplicates: true,
  });
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
  if (newsletters.length === 0) return;
  const choice = { originKind: 'account', origin: uid, at, act: 'subscribe', proven: true, source: event } as const;
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
