import type { Urls } from './contenders/contender';
import type { Options } from './options';
import { Broker } from './setup/broker';
import { Databases } from './setup/databases';

/** What every measurement works with. */
export interface Bench {
  options: Options;
  amqpUrl: string;
  broker: Broker;
  databases: Databases;
  /** For people, on stderr: stdout gets the results. */
  say(line: string): void;
}

export async function openBench(options: Options, urls: Urls, say: (line: string) => void): Promise<Bench> {
  return {
    options,
    amqpUrl: urls.amqpUrl,
    broker: await Broker.open(urls.amqpUrl),
    databases: new Databases(urls.databaseUrl, say),
    say,
  };
}

export async function closeBench({ broker, databases }: Bench): Promise<void> {
  await broker.close();
  await databases.close();
}
