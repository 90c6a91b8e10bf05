import type { Transaction } from 'kysely'
import type { Actor, AuditAction } from '../../../governance/audit/audit-log.ts'
import type { Management } from '../../../governance/management/management.ts'
import type { Captures } from '../../../learning/decisions/captures.ts'
import type { DecisionRecorder } from '../../../learning/decisions/recorder.ts'
import type { Feedback } from '../../../learning/feedback/feedback.ts'
import type { Run } from '../../../learning/pipeline/run-record.ts'
import type { PipelineRunSettings } from '../../../learning/pipeline/steps.ts'
import type { ReadArtifact } from '../../../learning/registry/admit.ts'
import type { RouterDirectory } from '../../../learning/registry/directory.ts'
import type { RouterLoopSettings } from '../../../platform/config/router-loop-settings.ts'
import type { Tables } from '../../../platform/store/tables.ts'

/** The loop of learned routing, as far as people manage it. */
export interface RouterServices {
  readonly directory: RouterDirectory
  readonly recorder: DecisionRecorder
  readonly captures: Captures
  readonly feedback: Feedback
  readonly read: ReadArtifact
  /** Of the configuration in force. */
  readonly settings: () => RouterLoopSettings
  /** Names by which artifacts may mean a model of this gateway; undefined: any. */
  readonly served: () => ReadonlySet<string> | undefined
  /** Starts the pipeline here and returns at once; undefined: a run is under way, here or elsewhere. */
  readonly startRun: (router: string, settings: Partial<PipelineRunSettings>) => Promise<Run | undefined>
}

export interface RecordedChange<T> {
  readonly result: T
  readonly before?: Readonly<Record<string, unknown>> | undefined
  readonly after?: Readonly<Record<string, unknown>> | undefined
  readonly details?: Readonly<Record<string, unknown>> | undefined
}

/** A change by a person: rows and audit record in one transaction, then every process looks. */
export async function recorded<T>(
  management: Management,
  { directory }: Pick<RouterServices, 'directory'>,
  what: { readonly actor: Actor; readonly action: AuditAction; readonly objectKind: string; readonly objectId: string },
  work: (trx: Transaction<Tables>) => Promise<RecordedChange<T>>,
): Promise<T> {
  const result = await management.governance.change(async trx => {
    const { result: value, ...record } = await work(trx)
    return { result: value, audit: [{ ...what, ...record }], notices: [] }
  })
  await directory.announce()
  return result
}
