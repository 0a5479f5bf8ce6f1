import type { DeadLetterReason } from '../../src/messages/incoming/decoded';

/** A message as a producer sends it, and what must become of it. */
export interface Message {
  /** The AMQP message id: the same however often a producer has to publish it. */
  id: string;
  exchange: string;
  key: string;
  content: string;
  /** Facts to keep, nothing that concerns us, or rubbish for the dead letters. */
  is: 'event' | 'ignored' | 'rubbish';
  /** Of rubbish: what the dead letter must say. */
  reason?: DeadLetterReason;
  /** For the table at the end: the event's name, or what is wrong with it. */
  kind: string;
}
