import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { Variables } from '../../src/config';
import { parseApiKeys } from '../../src/foundation/api-keys';
import { type Compose, type ComposeService, filesOf, readCompose } from '../support/compose';
import { describeWith, FETCH_MS, runProgram } from '../support/programs';

const ROOT = join(__dirname, '../..');
const OURS = ['topology', 'migration', 'onecontact', 'console', 'mailer'];

describeWith('compose')('compose.yaml', () => {
  let compose: Compose;
  const serviceOf = (name: string): ComposeService => compose.services[name] as ComposeService;
  beforeAll(async () => {
    compose = await readCompose();
  }, FETCH_MS);

  it('is read by Docker Compose, with the optional parts in profiles', () => {
    const profiles = Object.entries(compose.services).map(([name, { profiles = [] }]) => [name, profiles.join()]);
    expect(Object.fromEntries(profiles)).toEqual({
      broker: '',
      database: '',
      topology: '',
      migration: '',
      onecontact: '',
      console: 'console',
      mailer: 'mailer',
      mail: 'mailer',
      prometheus: 'monitoring',
      grafana: 'monitoring',
    });
  });

  it('binds every port to the loopback', () => {
    const ports = Object.values(compose.services).flatMap(({ ports = [] }) => ports);
    expect(ports.length).toBeGreaterThan(0);
    expect(ports.filter(({ host_ip }) => host_ip !== '127.0.0.1')).toEqual([]);
  });

  it('runs what is ours without rights, and with variables that exist', () => {
    for (const name of OURS) {
      const { read_only, cap_drop, environment = {} } = serviceOf(name);
      expect([name, read_only, cap_drop]).toEqual([name, true, ['ALL']]);
      if (name === 'mailer') continue;
      for (const variable of Object.keys(environment))
        expect([variable, variable === 'NODE_OPTIONS' || variable in Variables.shape]).toEqual([variable, true]);
    }
  });

  it('mounts files into read-only containers, because Compose cannot copy content there', () => {
    const mounted = Object.values(compose.services).flatMap(({ read_only, configs = [] }) =>
      read_only ? configs : [],
    );
    expect(mounted.length).toBeGreaterThan(0);
    for (const { source } of mounted) expect(compose.configs[source]?.file).toEqual(expect.any(String));
  });

  it('gives sites a key that permits sending events and nothing else', async () => {
    const [file] = await filesOf(compose, 'onecontact', '/etc/onecontact');
    expect(parseApiKeys(file?.text ?? '').map(({ scopes }) => [...scopes])).toEqual([['write']]);
  });

  it('has, in the commands at its top, the keys that it sets', async () => {
    const [file] = await filesOf(compose, 'onecontact', '/etc/onecontact');
    const top = readFileSync(join(ROOT, 'compose.yaml'), 'utf8').match(/^#.*$/gm)?.join('\n') ?? '';
    const keys = [...top.matchAll(/Bearer ([\w-]+)/g)].map(([, key]) => key as string);
    expect(keys).toHaveLength(2);
    const set = [
      serviceOf('onecontact').environment?.API_KEY,
      ...(file?.text.match(/(?<=^site\s+write\s+)\S+$/gm) ?? []),
    ];
    expect(set).toEqual(expect.arrayContaining(keys));
  });

  it('gives each process a login of its own', () => {
    const userOf = (name: string, variable: string) => new URL(serviceOf(name).environment?.[variable] ?? '').username;
    expect(OURS.map((name) => (name === 'migration' ? '' : userOf(name, 'AMQP_URL')))).toEqual([
      'onecontact_admin',
      '',
      'onecontact_service',
      'onecontact_operator',
      'onecontact_mailer',
    ]);
    expect(OURS.map((name) => (name === 'topology' ? '' : userOf(name, 'DATABASE_URL')))).toEqual([
      '',
      'onecontact_migrate',
      'onecontact_service',
      'onecontact_service',
      'mailer',
    ]);
  });

  it('starts the service once topology and schema are in place', () => {
    const done = { condition: 'service_completed_successfully' };
    expect(serviceOf('onecontact').depends_on).toMatchObject({ topology: done, migration: done });
    expect(serviceOf('topology').command).toEqual(['topology', '--apply']);
    expect(serviceOf('migration').command).toEqual(['migrate']);
  });

  it('gives exactly the broker’s users their rights', async () => {
    const files = await filesOf(compose, 'broker', '/etc/rabbitmq/onecontact');
    const [users, permissions] = files.map(({ text }) => JSON.parse(text)) as [
      { users: { name: string }[] },
      { permissions: { user: string }[] },
    ];
    expect(permissions.permissions.map(({ user }) => user)).toEqual(users.users.map(({ name }) => name));
    expect(files.map(({ name }) => name)).toEqual(['1-users.json', '2-permissions.json', '3-definitions.json']);
  });

  it('builds the mailer from a stage of the Dockerfile', () => {
    const stages = readFileSync(join(ROOT, 'Dockerfile'), 'utf8').match(/(?<=^FROM .* AS )\w+$/gm);
    expect(stages).toContain(serviceOf('mailer').build?.target);
  });

  it('lets Prometheus scrape the services at ports that they have', async () => {
    const file = join(ROOT, 'deploy/prometheus/prometheus.yaml');
    const { scrape_configs: jobs } = parse(readFileSync(file, 'utf8')) as {
      scrape_configs: { job_name: string; static_configs: [{ targets: [string] }] }[];
    };
    expect(jobs.map(({ job_name, static_configs: [{ targets }] }) => [job_name, ...targets])).toEqual([
      ['onecontact', 'onecontact:8080'],
      ['rabbitmq', 'broker:15692'],
    ]);
    expect(await runProgram('promtool', ['check', 'config', file])).toContain('SUCCESS');
  });
});
