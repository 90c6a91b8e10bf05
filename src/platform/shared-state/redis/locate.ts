import { StateUnavailable } from '../shared-state.ts'
import { type Address, Connection } from './connection.ts'
import type { RedisNode, RedisOptions } from './options.ts'

/**
 * Finds the server that holds our keys: they carry one hash tag, so in a cluster it is one shard's primary, as behind
 * sentinels. After a failover the same question gives the new one.
 */
export class Locator {
  readonly #options: RedisOptions
  readonly #tag: string
  readonly #password: () => Promise<string | undefined>
  /** Nodes that are known, the one that answered last first. */
  #nodes: RedisNode[]

  constructor(options: RedisOptions, tag: string, password: () => Promise<string | undefined>) {
    this.#options = options
    this.#tag = tag
    this.#password = password
    this.#nodes = 'nodes' in options.place ? [...options.place.nodes] : []
  }

  /** @throws StateUnavailable when no node knows */
  async find(): Promise<Address> {
    const { place } = this.#options
    switch (place.kind) {
      case 'standalone':
        return { host: place.host, port: place.port }
      case 'socket':
        return { path: place.path }
      case 'sentinel': {
        const login = { username: place.username, password: place.password?.reveal() }
        return this.#askNodes(login, async connection => {
          const found = await connection.send(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', place.name])
          if (!Array.isArray(found)) throw new StateUnavailable(`no sentinel knows a primary named ${place.name}`)
          return { host: String(found[0]), port: Number(found[1]) }
        })
      }
      case 'cluster': {
        const login = { username: this.#options.username, password: await this.#password() }
        return this.#askNodes(login, (connection, asked) => this.#ownerOfTag(connection, asked))
      }
    }
  }

  async #ownerOfTag(connection: Connection, asked: RedisNode): Promise<RedisNode> {
    const slot = Number(await connection.send(['CLUSTER', 'KEYSLOT', this.#tag]))
    const shards = (await connection.send(['CLUSTER', 'SLOTS'])) as readonly [number, number, ...unknown[][]][]
    // A node that does not know its own name gives none: it is the one that was asked.
    const nodeOf = ([host, port]: readonly unknown[]): RedisNode => ({
      host: host === null || host === '' || host === '?' ? asked.host : String(host),
      port: Number(port),
    })
    for (const [, , ...nodes] of shards) for (const node of nodes) this.#learn(nodeOf(node))
    const shard = shards.find(([from, to]) => from <= slot && slot <= to)
    const primary = shard?.[2]
    if (primary === undefined) throw new StateUnavailable(`no node of the cluster owns the slot ${slot} of our keys`)
    return nodeOf(primary)
  }

  async #askNodes<T>(
    login: { readonly username?: string | undefined; readonly password?: string | undefined },
    ask: (connection: Connection, node: RedisNode) => Promise<T>,
  ): Promise<T> {
    let failure: unknown
    for (const node of [...this.#nodes]) {
      let connection: Connection | undefined
      try {
        connection = await Connection.open(node, login, this.#options, () => {})
        const found = await ask(connection, node)
        this.#nodes = [node, ...this.#nodes.filter(other => !same(other, node))]
        return found
      } catch (error) {
        failure = error
      } finally {
        connection?.fail(new StateUnavailable('asked'))
      }
    }
    throw failure instanceof StateUnavailable
      ? failure
      : new StateUnavailable(`no node of Redis says where the primary is`, { cause: failure })
  }

  #learn(node: RedisNode): void {
    if (!this.#nodes.some(known => same(known, node)) && this.#nodes.length < 1000) this.#nodes.push(node)
  }
}

const same = (a: RedisNode, b: RedisNode): boolean => a.host === b.host && a.port === b.port
