/**
 * A certificate authority for tests (X.509 in DER, P-256). It uses Node's crypto alone, so tests need neither `openssl` nor
 * another package.
 */
import { generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto';

export interface Issued {
  /** PEM. */
  certificate: string;
  key: string;
}

export interface Authority {
  certificate: string;
  /** Issues a server certificate for host names (not IP addresses). */
  issue(...hosts: string[]): Issued;
}

const DAY_MS = 86_400_000;

export function makeAuthority(name = 'OneContact test CA'): Authority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = makeCertificate(name, name, own.publicKey, own.privateKey, [
    extension('551d13', true, sequence(tlv(0x01, Buffer.of(0xff)))), // basicConstraints: a CA
    extension('551d0f', true, Buffer.from('03020106', 'hex')), // keyUsage: signs certificates
  ]);
  return {
    certificate,
    issue(...hosts) {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const names = hosts.map((host) => tlv(0x82, Buffer.from(host, 'ascii')));
      const leaf = makeCertificate(hosts[0] as string, name, pair.publicKey, own.privateKey, [
        extension('551d0f', true, Buffer.from('03020780', 'hex')), // keyUsage: signs handshakes
        extension('551d25', false, sequence(oid('2b06010505070301'))), // extKeyUsage: a server
        extension('551d11', false, sequence(...names)), // subjectAltName
      ]);
      return { certificate: leaf, key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
    },
  };
}

function makeCertificate(
  subject: string,
  issuer: string,
  publicKey: KeyObject,
  signer: KeyObject,
  extensions: Buffer[],
): string {
  const now = Date.now();
  const toBeSigned = sequence(
    tlv(0xa0, integer(2)), // version 3
    integer(now),
    ECDSA_WITH_SHA256,
    nameOf(issuer),
    sequence(time(now - DAY_MS), time(now + DAY_MS)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions)),
  );
  const certificate = sequence(toBeSigned, ECDSA_WITH_SHA256, bits(sign('sha256', toBeSigned, signer)));
  return new X509Certificate(certificate).toString();
}

/** DER: tag, length, value. */
function tlv(tag: number, ...values: Buffer[]): Buffer {
  const value = Buffer.concat(values);
  const { length } = value;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), value]);
}

const sequence = (...values: Buffer[]): Buffer => tlv(0x30, ...values);
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'));
const bits = (value: Buffer): Buffer => tlv(0x03, Buffer.of(0), value);

function integer(value: number): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return tlv(0x02, (bytes[0] as number) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes]));
}

const time = (ms: number): Buffer =>
  tlv(0x17, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));

const nameOf = (name: string): Buffer => sequence(tlv(0x31, sequence(oid('550403'), tlv(0x0c, Buffer.from(name)))));

const extension = (id: string, critical: boolean, value: Buffer): Buffer =>
  sequence(oid(id), ...(critical ? [tlv(0x01, Buffer.of(0xff))] : []), tlv(0x04, value));

const ECDSA_WITH_SHA256 = sequence(oid('2a8648ce3d040302'));
