const EXAMPLE = 'amqp://user:password@host:5672/vhost';

/** The URLs in a list. A password may contain a comma, so only a comma before another URL is a separator. */
export const splitAmqpUrls = (text: string): string[] => text.split(/,(?=amqps?:\/\/)/);

/** Says what is wrong with a list of URLs; undefined if all are valid. Quotes no part of the list, which contains passwords. */
export function amqpUrlsProblem(text: string): string | undefined {
  const invalid = splitAmqpUrls(text).find((url) => !isValid(url) || hasSeveralHosts(url));
  if (invalid === undefined) return undefined;
  if (!hasSeveralHosts(invalid)) return `is not the URL of a RabbitMQ broker, such as ${EXAMPLE}`;
  const [one, two] = ['one', 'two'].map((host) => EXAMPLE.replace('host', host));
  return `has several hosts in one URL: give each host a URL, with a comma between them, such as ${one},${two}`;
}

const isValid = (url: string): boolean =>
  URL.canParse(url) && /^amqps?:$/.test(new URL(url).protocol) && new URL(url).hostname !== '';

function hasSeveralHosts(url: string): boolean {
  const [, authority = ''] = /^amqps?:\/\/([^/?#]*)/.exec(url) ?? [];
  return authority.slice(authority.lastIndexOf('@') + 1).includes(',');
}
