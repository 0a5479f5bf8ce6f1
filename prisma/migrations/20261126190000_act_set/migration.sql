-- "Exactly these newsletters" is one more refusal. A migration of its own: PostgreSQL uses a new value only after its commit.
ALTER TYPE "act" ADD VALUE IF NOT EXISTS 'set';
