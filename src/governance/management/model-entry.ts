/** An entry as `model_list` has it. */
export interface ModelEntry {
  readonly model_name: string
  readonly litellm_params: Record<string, unknown>
  readonly model_info: Record<string, unknown>
}

/** Says why an entry cannot be served; undefined: it can. */
export type CheckEntry = (entry: ModelEntry) => Promise<string | undefined>
