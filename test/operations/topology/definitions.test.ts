import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { definitionsFor, policiesFor, policyCommands } from '../../../src/operations/topology/definitions';
import { EXCHANGES, FXA_EVENTS, NEWSLETTER_EVENTS, QUEUES } from '../../../src/rabbitmq/names';

const PERMISSIONS = readFileSync(join(__dirname, '../../../deploy/rabbitmq/permissions.json'), 'utf8');
const README = readFileSync(join(__dirname, '../../../deploy/rabbitmq/README.md'), 'utf8');

describe('the definitions for an administrator', () => {
  it('have every exchange and queue of ours, in the wanted vhost', () => {
    const { exchanges, queues, bindings, policies } = definitionsFor({ vhost: 'blue', major: 4 });
    expect(exchanges.map(({ name }) => name).sort()).toEqual([...EXCHANGES].sort());
    expect(queues.map(({ name }) => name).sort()).toEqual([...QUEUES].sort());
    const all = [...exchanges, ...queues, ...bindings, ...policies];
    expect(new Set(all.map(({ vhost }) => vhost))).toEqual(new Set(['blue']));
  });

  it.each([3, 4] as const)('give an alternate exchange to the exchanges for events only (RabbitMQ %s)', (major) => {
    const patterns = policiesFor(major)
      .filter(({ definition }) => 'alternate-exchange' in definition)
      .map(({ pattern }) => new RegExp(pattern));
    const matched = EXCHANGES.filter((name) => patterns.some((pattern) => pattern.test(name)));
    expect(matched).toEqual([FXA_EVENTS, NEWSLETTER_EVENTS]);
  });

  it.each([3, 4] as const)('have no limit that drops a message (RabbitMQ %s)', (major) => {
    for (const { definition } of policiesFor(major)) {
      if ('max-length' in definition) expect(definition.overflow).toBe('reject-publish');
      expect(definition['delivery-limit'] ?? -1).toBe(-1);
      expect(Object.keys(definition)).not.toContain('message-ttl');
    }
  });

  it.each([3, 4] as const)('are in the README as commands to type (RabbitMQ %s)', (major) => {
    for (const command of policyCommands('/', major)) expect(README).toContain(`${command}\n`);
  });

  it('are beside the rights of each user, as the README lists them', () => {
    const { permissions } = JSON.parse(PERMISSIONS) as { permissions: Record<string, string>[] };
    expect(permissions.length).toBe(5);
    for (const { user, configure, write, read } of permissions) {
      const row = README.split('\n').find((line) => line.endsWith(`| ${user} |`)) ?? '';
      const [, ...cells] = row.split(/(?<!\\)\|/).map((cell) => /^ `(.*)` $/.exec(cell)?.[1]?.replaceAll('\\|', '|'));
      expect([user, ...cells.slice(1, 4)]).toEqual([user, configure, write, read]);
    }
  });

  it('quote the name of a vhost for the shell', () => {
    expect(policyCommands("it's", 4)[0]).toContain(String.raw`--vhost 'it'\''s' `);
  });
});
