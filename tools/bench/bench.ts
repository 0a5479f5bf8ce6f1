import type { Options } from './options';
import { Broker } from './setup/broker';
import { buildContenders } from './setup/build';
import { Databases } from './setup/databases';

/** What every measurement works with. */
export interface Bench {
  options: Options;
  /** Where the built contenders are. */
  folder: string;
  amqpUrl: string;
  broker: Broker;
  databases: Databases;
  /** For people, on stderr: stdout gets the results. */
  say(line: string): void;
}

export async function openBench(
  options: Options,
  urls: { amqpUrl: string; databaseUrl: string },
  say: (line: string) => void,
): Promise<Bench> {
  return {
    options,
    folder: await buildContenders(),
    amqpUrl: urls.amqpUrl,
    broker: await Broker.open(urls.amqpUrl),
    databases: new Databases(urls.databaseUrl, say, options),
    say,
  };
}

export async function closeBench({ broker, databases }: Bench): Promise<void> {
  await broker.close();
  await databases.close();
}
