/** The manifests of `deploy/kubernetes`, built by kustomize, and the published schemas of their kinds. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1';
import { Deployment } from 'kubernetes-models/apps/v1';
import { Job } from 'kubernetes-models/batch/v1';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Namespace, Service } from 'kubernetes-models/v1';
import { parseAllDocuments } from 'yaml';
import { run } from '../../tools/services/command';
import { runProgram } from './programs';

const ROOT = join(__dirname, '../..');

export interface Container {
  name: string;
  image: string;
  args: string[];
  env?: { name: string; value: string }[];
  lifecycle?: { preStop: { exec: { command: string[] } } };
  livenessProbe: unknown;
  readinessProbe: unknown;
  resources: { requests: Record<string, string>; limits: Record<string, string> };
  securityContext: unknown;
  volumeMounts: { name: string; mountPath: string; readOnly: boolean }[];
}
export interface Pod {
  metadata: { labels: Record<string, string> };
  spec: {
    automountServiceAccountToken: boolean;
    terminationGracePeriodSeconds: number;
    securityContext: unknown;
    initContainers?: Container[];
    containers: Container[];
    volumes: { name: string; secret: { secretName: string } }[];
  };
}
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  spec: Record<string, unknown> & { template: Pod; replicas: number; strategy?: { type?: string } };
}

/** Each kind that the manifests may have: its validator, and where its type is. */
const KINDS = {
  ConfigMap: { model: ConfigMap, types: 'kubernetes-models/v1' },
  Deployment: { model: Deployment, types: 'kubernetes-models/apps/v1' },
  Job: { model: Job, types: 'kubernetes-models/batch/v1' },
  Namespace: { model: Namespace, types: 'kubernetes-models/v1' },
  NetworkPolicy: { model: NetworkPolicy, types: 'kubernetes-models/networking.k8s.io/v1' },
  PodDisruptionBudget: { model: PodDisruptionBudget, types: 'kubernetes-models/policy/v1' },
  ScaledObject: { model: ScaledObject, types: '@kubernetes-models/keda/keda.sh/v1alpha1' },
  Service: { model: Service, types: 'kubernetes-models/v1' },
} as const;

/** @param overlay a folder of `deploy/kubernetes` */
export async function buildManifests(overlay: string): Promise<Manifest[]> {
  const text = await runProgram('kustomize', ['build', join(ROOT, 'deploy/kubernetes', overlay)]);
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** @throws Error if a field that is required is missing, or a value is not what its schema allows */
export function validate(manifest: Manifest): void {
  const { model: Model } = KINDS[manifest.kind as keyof typeof KINDS] ?? {};
  if (!Model) throw new Error(`${manifest.kind} is a kind without a schema here`);
  const { apiVersion } = Model as unknown as { apiVersion: string };
  if (apiVersion !== manifest.apiVersion) throw new Error(`${manifest.kind} is of ${apiVersion}`);
  new Model(manifest as never).validate();
}

/**
 * Lets the TypeScript compiler look for fields that do not exist: the schemas allow any, while a cluster refuses them.
 *
 * @throws Error with the first of them
 */
export async function refuseUnknownFields(manifests: readonly Manifest[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'onecontact-manifests-'));
  try {
    const lines = manifests.map((manifest, index) => {
      const { types } = KINDS[manifest.kind as keyof typeof KINDS];
      const type = `import(${JSON.stringify(join(ROOT, 'node_modules', types, 'index'))}).I${manifest.kind}`;
      return `export const manifest${index}: ${type} = ${JSON.stringify(manifest)};\n`;
    });
    const file = join(folder, 'manifests.ts');
    await writeFile(file, lines.join(''));
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'esnext', '--moduleResolution', 'bundler'];
    await run(join(ROOT, 'node_modules/.bin/tsc'), [...options, '--types', '', file], { cwd: folder });
  } finally {
    await rm(folder, { recursive: true });
  }
}
