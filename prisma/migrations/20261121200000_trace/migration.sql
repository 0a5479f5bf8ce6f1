-- The trace of the message that caused a notification goes on with it (W3C Trace Context).
ALTER TABLE "outbox" ADD COLUMN "traceparent" TEXT,
ADD COLUMN "tracestate" TEXT;
