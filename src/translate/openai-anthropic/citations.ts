import { isObject } from './types.ts'

/**
 * A citation of a web page as OpenAI's `url_citation`; other citations (documents, search results) have no OpenAI form.
 * @param start where the cited text begins in the message's content, and `end` one past its end.
 */
export function urlAnnotation(citation: unknown, start: number, end: number): object | undefined {
  if (!isObject(citation) || citation['type'] !== 'web_search_result_location') return undefined
  const { url, title } = citation
  if (typeof url !== 'string') return undefined
  return {
    type: 'url_citation',
    url_citation: { url, title: typeof title === 'string' ? title : '', start_index: start, end_index: end },
  }
}
