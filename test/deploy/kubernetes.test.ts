import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { Variables } from '../../src/config';
import { PARTS } from '../../src/service/parts';
import { buildManifests, type Container, type Manifest, refuseUnknownFields, validate } from '../support/kubernetes';
import { describeWith, FETCH_MS } from '../support/programs';
import { knownMetrics, unknownIn } from '../support/promql';

const FOLDER = join(__dirname, '../../deploy/kubernetes');
const README = readFileSync(join(FOLDER, 'README.md'), 'utf8');
const SHUTDOWN_S = 25;

/** Database connections of a process, as docs/scaling.md counts them with the default settings. */
const CONNECTIONS = { events: 6, background: 7, 'look-ups': 9, intake: 0, console: 6 } as const;
const FOR_PROCESSES = 90;

const megabytes = (quantity = ''): number => Number(/^(\d+)Mi$/.exec(quantity)?.[1]);
const variableOf = ({ env = [] }: Container, name: string): string => env.find((it) => it.name === name)?.value ?? '';

describeWith('kustomize')('deploy/kubernetes', () => {
  let manifests: Manifest[];
  let containers: { pod: string; container: Container }[];
  const all = (kind: string): Manifest[] => manifests.filter((manifest) => manifest.kind === kind);
  const podsOf = () => [...all('Deployment'), ...all('Job')];

  beforeAll(async () => {
    manifests = await buildManifests('keda');
    containers = podsOf().flatMap(({ metadata, spec }) =>
      [...(spec.template.spec.initContainers ?? []), ...spec.template.spec.containers].map((container) => ({
        pod: metadata.name,
        container,
      })),
    );
  }, FETCH_MS);

  it('is built from every file of its folders', () => {
    for (const folder of ['base', 'keda']) {
      const { resources = [], patches = [] } = parse(
        readFileSync(join(FOLDER, folder, 'kustomization.yaml'), 'utf8'),
      ) as {
        resources?: string[];
        patches?: { path?: string }[];
      };
      const named = [
        ...resources.filter((name) => name.endsWith('.yaml')),
        ...patches.flatMap(({ path }) => path ?? []),
      ];
      expect([...named, 'kustomization.yaml'].sort()).toEqual(readdirSync(join(FOLDER, folder)).sort());
      expect(named.filter((name) => !existsSync(join(FOLDER, folder, name)))).toEqual([]);
    }
  });

  it('follows the published schemas of Kubernetes and KEDA', () => {
    for (const manifest of manifests) validate(manifest);
    const [deployment] = all('Deployment') as [Manifest];
    expect(() => validate({ ...deployment, spec: { ...deployment.spec, replicas: 'two' as never } })).toThrow();
  });

  it('has no field that Kubernetes or KEDA does not know', async () => {
    await refuseUnknownFields(manifests);
    const [deployment] = all('Deployment') as [Manifest];
    const misspelt = { ...deployment, spec: { ...deployment.spec, replica: 2 } };
    await expect(refuseUnknownFields([misspelt])).rejects.toThrow('replica');
  });

  it('runs each part of the service in one Deployment', () => {
    const parts = all('Deployment').flatMap(({ spec }) => spec.template.spec.containers[0]?.args[2]?.split(',') ?? []);
    expect(parts.sort()).toEqual([...PARTS].sort());
  });

  it('lets every container run unprivileged, on a read-only file system', () => {
    for (const { spec } of podsOf()) {
      expect(spec.template.spec.automountServiceAccountToken).toBe(false);
      expect(spec.template.spec.securityContext).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
    }
    for (const { container } of containers)
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
  });

  it('sets only variables that OneContact reads, and secrets only as files of a secret that the README creates', () => {
    for (const { container } of containers)
      for (const { name, value } of container.env ?? []) {
        expect([name, name === 'NODE_OPTIONS' || name in Variables.shape]).toEqual([name, true]);
        if (/URL|KEY/.test(name))
          expect([name, value]).toEqual([expect.stringMatching(/_FILE$/), expect.stringMatching(/^\/secrets\//)]);
      }
    const [settings] = all('ConfigMap') as unknown as [{ data: Record<string, string> }];
    for (const [name, value] of Object.entries(settings.data))
      expect([name, Variables.shape[name as keyof typeof Variables.shape]?.safeParse(value).success]).toEqual([
        name,
        true,
      ]);
    for (const { spec } of podsOf())
      for (const { secret } of spec.template.spec.volumes) {
        const [, given = ''] = new RegExp(`create secret generic ${secret.secretName} (.+)`).exec(README) ?? [];
        const used = [...(spec.template.spec.initContainers ?? []), ...spec.template.spec.containers].flatMap(
          ({ env = [] }) => env.flatMap(({ value }) => /^\/secrets\/(.+)$/.exec(value)?.[1] ?? []),
        );
        for (const file of used)
          expect([secret.secretName, given]).toEqual([
            secret.secretName,
            expect.stringContaining(`--from-file=${file}`),
          ]);
      }
  });

  it('asks each process about its own parts, and gives it more time to end than it takes', () => {
    for (const { spec } of all('Deployment')) {
      const [container] = spec.template.spec.containers as [Container];
      expect(container.livenessProbe).toMatchObject({ httpGet: { path: '/__lbheartbeat__', port: 'http' } });
      expect(container.readinessProbe).toMatchObject({
        httpGet: { path: '/__heartbeat__', port: 'http' },
        timeoutSeconds: 5,
      });
      const pause = Number(container.lifecycle?.preStop.exec.command[1] ?? 0);
      if (/http|intake/.test(container.args[2] ?? '')) expect(pause).toBeGreaterThan(0);
      expect(spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(pause + SHUTDOWN_S);
    }
  });

  it('leaves a quarter of the memory beside the heap', () => {
    for (const { spec } of all('Deployment')) {
      const [container] = spec.template.spec.containers as [Container];
      const [, heap] = /--max-old-space-size=(\d+)/.exec(variableOf(container, 'NODE_OPTIONS')) ?? [];
      expect(Number(heap)).toBeLessThanOrEqual(0.75 * megabytes(container.resources.limits.memory));
      expect(Number(heap)).toBeGreaterThan(megabytes(container.resources.requests.memory));
    }
  });

  it('takes no more database connections than there are, with KEDA’s ceiling and a pod more of each kind', () => {
    const [scaled] = all('ScaledObject') as [Manifest];
    const replicas = all('Deployment').map(({ metadata: { name }, spec }) => ({
      name: name as keyof typeof CONNECTIONS,
      most:
        (spec.strategy?.type === 'Recreate' ? 0 : 1) +
        (name === 'events' ? Number(scaled.spec.maxReplicaCount) : spec.replicas),
    }));
    expect(replicas.map(({ name }) => name).sort()).toEqual(Object.keys(CONNECTIONS).sort());
    const taken = replicas.reduce((sum, { name, most }) => sum + most * CONNECTIONS[name], 0);
    expect(taken).toBeLessThanOrEqual(FOR_PROCESSES);
    expect(scaled.spec.scaleTargetRef).toEqual({ name: 'events' });
  });

  it('leaves the number of pods to KEDA where KEDA sets it', async () => {
    const replicasOf = (of: readonly Manifest[]) =>
      of.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'events')?.spec.replicas;
    expect(replicasOf(manifests)).toBeUndefined();
    expect(replicasOf(await buildManifests('base'))).toBe(2);
  });

  it('lets KEDA ask for metrics that RabbitMQ has', () => {
    const [scaled] = all('ScaledObject') as [Manifest];
    const [{ metadata }] = scaled.spec.triggers as [{ metadata: { query: string } }];
    expect(unknownIn(metadata.query, knownMetrics())).toEqual([]);
  });

  it('selects pods that exist in every Service, budget and policy', () => {
    const labels = podsOf().map(({ spec }) => spec.template.metadata.labels);
    const selected = (selector: Record<string, string>): boolean =>
      labels.some((of) => Object.entries(selector).every(([name, value]) => of[name] === value));
    const selectors = manifests.flatMap(({ kind, spec }) => {
      if (kind === 'Service') return [spec.selector];
      const selector = (spec?.selector ?? spec?.podSelector) as { matchLabels?: unknown } | undefined;
      return selector ? [selector.matchLabels ?? {}] : [];
    }) as Record<string, string>[];
    expect(selectors.length).toBe(2 + 5 + 5 + 3);
    expect(selectors.filter((selector) => !selected(selector))).toEqual([]);
  });
});
