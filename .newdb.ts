import { Client } from 'pg';
import { writeFileSync } from 'node:fs';
void (async () => {
  const base = process.env.DATABASE_URL!; const c = new Client({ connectionString: base }); await c.connect();
  const name = process.argv[2]!; await c.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`); await c.query(`CREATE DATABASE ${name}`); await c.end();
  const u = new URL(base); u.pathname = '/' + name; writeFileSync(`/tmp/wt/trial/${name}.env`, `export DATABASE_URL=${u.href}\n`);
})();
