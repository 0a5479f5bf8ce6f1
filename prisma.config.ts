import { defineConfig } from 'prisma/config';

/** For Prisma's own command line only; the service reads its environment in src/config.ts. */
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? '' },
});
