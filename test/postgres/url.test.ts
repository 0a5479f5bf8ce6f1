import { describe, expect, it } from '@jest/globals';
import { OperatorError } from '../../src/foundation/operator-error';
import { openDatabase } from '../../src/postgres/database';
import { readDatabaseUrl } from '../../src/postgres/url';

const SECRET = 's3cret';
const BASE = `postgresql://ada:${SECRET}@db.test:6432/contacts`;

const refusal = (url: string): string => {
  try {
    readDatabaseUrl(url);
  } catch (error) {
    expect(error).toBeInstanceOf(OperatorError);
    expect((error as Error).message).not.toContain(SECRET);
    return (error as Error).message;
  }
  throw new Error('it was accepted');
};

describe('the URL of the database', () => {
  it('names a server, a user, a password and a database', () => {
    expect(readDatabaseUrl(BASE)).toEqual({
      servers: [{ host: 'db.test', port: 6432 }],
      user: 'ada',
      password: SECRET,
      database: 'contacts',
      connectTimeoutMs: undefined,
      tls: '',
    });
  });

  it('may leave out everything that has a default', () => {
    const nothing = { user: undefined, password: undefined, database: undefined };
    expect(readDatabaseUrl('postgres:///')).toMatchObject({ ...nothing, servers: [{ host: 'localhost', port: 5432 }] });
    expect(readDatabaseUrl('postgresql://db.test')).toMatchObject({ ...nothing, servers: [{ host: 'db.test' }] });
  });

  it.each([
    ['contacts%2F%3F%23%25%26%3D', 'contacts/?#%&='],
    ['%C3%A9t%C3%A9%20%22x%22', 'été "x"'],
    ["it's", "it's"],
  ])('names a database with reserved characters: %s', (path, database) => {
    expect(readDatabaseUrl(`postgresql://db.test/${path}`).database).toBe(database);
  });

  it('has a password with any characters, percent-encoded; an @ may stand for itself', () => {
    const password = `p@ss:w/o?r#d%,&`;
    expect(readDatabaseUrl(`postgresql://ada:${encodeURIComponent(password)}@db.test/x`).password).toBe(password);
    expect(readDatabaseUrl('postgresql://ada:p@ss@db.test/x')).toMatchObject({ user: 'ada', password: 'p@ss' });
  });

  it('may name several servers, which are tried in this order', () => {
    const servers = [
      { host: 'a.test', port: 6001 },
      { host: '::1', port: 6002 },
      { host: 'c.test', port: 5432 },
    ];
    expect(readDatabaseUrl('postgresql://ada@a.test:6001,[::1]:6002,c.test/x').servers).toEqual(servers);
    expect(readDatabaseUrl('postgresql:///x?host=a.test,[::1],c.test&port=6001,6002,5432').servers).toEqual(servers);
  });

  it('may name a socket, and have the parameters of TLS and connections that libpq knows', () => {
    const url =
      'postgresql:///x?host=/run/postgresql&user=ada&sslmode=verify-full&sslrootcert=/a%20b.pem&connect_timeout=7&target_session_attrs=read-write';
    expect(readDatabaseUrl(url)).toMatchObject({
      servers: [{ host: '/run/postgresql' }],
      user: 'ada',
      connectTimeoutMs: 7_000,
      tls: 'sslmode=verify-full&sslrootcert=%2Fa%20b.pem',
    });
  });

  it.each([
    [
      'application_name=prod',
      /^DATABASE_URL has the parameter application_name, .* OneContact names its sessions itself/,
    ],
    ['options=-c%20statement_timeout%3D0', /the parameter options, .* OneContact sets what it needs in each session/],
    ['statement_timeout=0', /the parameter statement_timeout, .* ALTER ROLE … SET/],
    ['sslmode=require&lock_timeout=0', /the parameter lock_timeout/],
    ['schema=public', /the parameter schema, .* a database of its own/],
    ['pgbouncer=true', /the parameter pgbouncer, .* let the pooler pool sessions/],
    ['uselibpqcompat=true', /the parameter uselibpqcompat, .* sslmode=verify-full/],
    ['keepalives=0', /the parameter keepalives,/],
    ['target_session_attrs=standby', /target_session_attrs other than read-write or primary: leave it out/],
    ['target_session_attrs=any', /target_session_attrs other than read-write or primary/],
    ['connect_timeout=0', /connect_timeout that is not a number of seconds/],
  ])('with ?%s is refused, and the sentence says what to do', (query, says) => {
    expect(refusal(`${BASE}?${query}`)).toMatch(says);
    expect(() => openDatabase({ url: `${BASE}?${query}`, name: 'x', max: 1 })).toThrow(OperatorError);
  });

  it.each([
    ['a reserved character in the password', `postgresql://ada:x?${SECRET}@db.test/x`, /percent-encode/],
    ['a % that encodes nothing', `postgresql://ada:${SECRET}%@db.test/x`, /write %25/],
    ['a port that is not a number', `postgresql://ada:${SECRET}@db.test:port/x`, /invalid host or port/],
    ['a port that is too large', `postgresql://ada:${SECRET}@db.test:65536/x`, /invalid host or port/],
    ['an empty host among others', `postgresql://ada:${SECRET}@a.test,,b.test/x`, /invalid host or port/],
    ['another protocol', `mysql://ada:${SECRET}@db.test/x`, /^DATABASE_URL cannot be read; the form is postgresql:/],
  ])('with %s is refused, and the password is not shown', (_what, url, says) => {
    expect(refusal(url)).toMatch(says);
  });
});
