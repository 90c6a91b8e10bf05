export interface S3Location {
  readonly bucket: string
  readonly region: string
  /** Undefined: AWS. */
  readonly endpoint: string | undefined
  /** `https://bucket.host/key` instead of `https://host/bucket/key`. */
  readonly virtualHost: boolean
}

/** URL of an object. Keys are escaped as SigV4 wants them: everything but unreserved characters and `/`. */
export function objectUrl({ bucket, region, endpoint, virtualHost }: S3Location, key: string): URL {
  const url = new URL(endpoint ?? awsEndpoint(region))
  const base = url.pathname.replace(/\/+$/, '')
  const path = key.split('/').map(escaped).join('/')
  if (virtualHost) url.host = `${bucket}.${url.host}`
  url.pathname = virtualHost ? `${base}/${path}` : `${base}/${escaped(bucket)}/${path}`
  return url
}

function awsEndpoint(region: string): string {
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  return `https://s3.${region}.${domain}`
}

function escaped(segment: string): string {
  return encodeURIComponent(segment).replace(/[!'()*]/g, found => `%${found.charCodeAt(0).toString(16).toUpperCase()}`)
}
