import { afterAll, beforeAll } from '@jest/globals';
import { ChaosBroker } from '../../tools/chaos/servers/broker';
import { findPrograms } from '../../tools/chaos/servers/programs';
import { TestBroker } from './broker';

const [from = 'none'] = (process.env.ONECONTACT_TEST_FROM ?? 'none').split(',');

/** Whether a file can have a broker of its own, and why: the end of a title. */
export const canStartBroker = from === 'local' || from === 'fetch';
export const brokerSource = `broker from ${from}; needs local or fetch`;

/** A broker of the file's own, whose alarms no other file must notice. Use it like `withBroker`. */
export function withPrivateBroker(): () => { broker: TestBroker; alarm(raised: boolean): Promise<void> } {
  let server: ChaosBroker | undefined;
  let broker: TestBroker | undefined;
  beforeAll(async () => {
    const env = { ...process.env, ONECONTACT_SERVICES: 'local,fetch' };
    const { rabbit } = await findPrograms({ log: () => undefined, env, durable: false });
    server = await ChaosBroker.start(rabbit, 1);
    broker = await TestBroker.take(server.url);
  }, 240_000);
  afterAll(async () => {
    await broker?.release();
    await server?.stop();
  });
  return () => {
    if (broker === undefined || server === undefined) throw new Error('the broker is available only inside tests');
    return { broker, alarm: (raised) => setAlarm(server, raised) };
  };
}

/** Raises or ends an alarm, as if the broker used more, or less, memory than it may. */
async function setAlarm(server: ChaosBroker | undefined, raised: boolean): Promise<void> {
  await server?.ctl('set_vm_memory_high_watermark', raised ? '0.000001' : '0.9');
}
