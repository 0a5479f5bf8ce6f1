-- A reason that is given after an unsubscription. Not a refusal, but it explains one and stays as long.
ALTER TYPE "act" ADD VALUE IF NOT EXISTS 'reason';
