-- Three roles with no more rights than each needs. Run it once, as a superuser and in OneContact's database, before the
-- first `onecontact migrate`. Then give each role a password (\password in psql), and name it in DATABASE_URL:
--
--   onecontact_migrate   of `onecontact migrate`: owns the tables
--   onecontact_service   of `onecontact start` and of the commands: reads and writes rows
--   onecontact_lookups   of `onecontact start --only http`, and of the commands that only read
--
-- Tables that exist already: REASSIGN OWNED BY their owner TO onecontact_migrate, in this database, before this file.

CREATE ROLE onecontact_migrate LOGIN;
CREATE ROLE onecontact_service LOGIN;
CREATE ROLE onecontact_lookups LOGIN;

DO $$
BEGIN
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format(
    'GRANT CONNECT ON DATABASE %I TO onecontact_migrate, onecontact_service, onecontact_lookups', current_database());
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO onecontact_migrate;
GRANT USAGE ON SCHEMA public TO onecontact_service, onecontact_lookups;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO onecontact_service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO onecontact_service;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO onecontact_lookups;

-- The tables that a later migration creates.
ALTER DEFAULT PRIVILEGES FOR ROLE onecontact_migrate IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO onecontact_service;
ALTER DEFAULT PRIVILEGES FOR ROLE onecontact_migrate IN SCHEMA public
  GRANT USAGE ON SEQUENCES TO onecontact_service;
ALTER DEFAULT PRIVILEGES FOR ROLE onecontact_migrate IN SCHEMA public
  GRANT SELECT ON TABLES TO onecontact_lookups;
