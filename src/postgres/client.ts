import { Client, type ClientConfig } from 'pg';
import type { Secret } from '../foundation/secret';

/** The SQLSTATEs with which a server refuses a user, a password, a database, or the right to connect to it. */
const REFUSED = /^(28|3D000|42501)/;

type Connected = (error: Error | null) => void;

/** A client that asks for the URL when it connects, and has it read again if the server refuses it. */
export function clientFor(url: Secret) {
  return class extends Client {
    constructor(config?: ClientConfig) {
      super({ ...config, connectionString: url.value });
    }

    override connect(): Promise<Client>;
    override connect(connected: Connected): void;
    override connect(connected?: Connected): Promise<Client> | undefined {
      if (connected === undefined) return super.connect(); // pools pass a callback
      super.connect((error: Error | null) => {
        if (REFUSED.test(String((error as { code?: string } | null)?.code))) url.readAgain();
        connected(error);
      });
      return undefined;
    }
  };
}
