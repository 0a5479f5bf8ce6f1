import type { Random } from '../../random';
import { ignoredMessage, invalidMessage } from './invalid';
import type { Message } from './message';
import { messagesOfGroup } from './people';

const ACTIVE_GROUPS = 40;
const INVALID = 0.03;
const IGNORED = 0.03;

/** An endless mix of the messages of many groups, invalid messages and messages to ignore. */
export function* messageMix(seed: number, random: Random): Generator<Message, never> {
  const active: Message[][] = [];
  for (let groups = 0; ; ) {
    while (active.length < ACTIVE_GROUPS) active.push(messagesOfGroup(seed, groups++));
    const dice = random.next();
    if (dice < INVALID) yield invalidMessage(random);
    else if (dice < INVALID + IGNORED) yield ignoredMessage(random);
    else {
      const group = random.below(active.length);
      const messages = active[group] as Message[];
      yield messages.shift() as Message;
      if (messages.length === 0) active.splice(group, 1);
    }
  }
}
