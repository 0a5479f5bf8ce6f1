import { isBefore, type Step } from './page';

/** Deletes the entries of a page that are older than the retention time. */
export const deleteOldAudit: Step = async (tx, { after, last }, { auditBefore }) => ({
  audit:
    auditBefore === null
      ? 0
      : await tx.$executeRaw`
          DELETE FROM audit WHERE seq > ${after}::bigint AND seq <= ${last}::bigint AND ${isBefore('at', auditBefore)}`,
});
