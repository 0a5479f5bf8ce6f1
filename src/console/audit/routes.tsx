/** What was changed by whom, and why. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { findAuditEntry, listAudit } from '../../postgres/tables/audit';
import type { ConsoleContext } from '../frame/context';
import { Problem } from '../frame/page';
import { AuditEntryPage } from './entry';
import { AuditList, type AuditQuery, PAGE, readCursor } from './list';

export async function auditRoutes(app: FastifyInstance, { db }: ConsoleContext): Promise<void> {
  app.get('/audit', (request, reply) => list(reply, queryOf(request.query, { names: false })));
  app.post('/audit', (request, reply) => list(reply, queryOf(request.body, { names: true })));

  app.get<{ Params: { seq: string } }>('/audit/:seq', async (request, reply) => {
    const { seq } = request.params;
    const entry = /^\d{1,18}$/.test(seq) ? await findAuditEntry(db, BigInt(seq)) : null;
    return entry ? reply.page({ title: 'Audit entry', children: <AuditEntryPage entry={entry} /> }) : noEntry(reply);
  });

  async function list(reply: FastifyReply, query: AuditQuery) {
    const { command, operator, before } = query;
    const filter = { command: command || undefined, operator: operator || undefined };
    const entries = await listAudit(db, filter, { limit: PAGE + 1, before });
    return reply.page({
      title: 'Audit',
      children: <AuditList query={query} entries={entries.slice(0, PAGE)} hasMore={entries.length > PAGE} />,
    });
  }
}

/** @param names whether names of people are read: never from a URL */
function queryOf(fields: unknown, { names }: { names: boolean }): AuditQuery {
  const { command, operator, before } = (fields ?? {}) as Record<string, unknown>;
  const text = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');
  return { command: text(command), operator: names ? text(operator) : '', before: readCursor(text(before)) };
}

const noEntry = (reply: FastifyReply) =>
  reply.page({
    status: 404,
    title: 'Entry not found',
    children: (
      <Problem>
        <p>The audit does not have this entry. A purge removes old entries.</p>
        <p>
          <a href="/audit">All entries</a>
        </p>
      </Problem>
    ),
  });
