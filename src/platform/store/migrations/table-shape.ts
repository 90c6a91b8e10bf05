import { type Compilable, type CreateTableBuilder, type RawBuilder, sql } from 'kysely'
import type { SchemaTarget } from './migration.ts'

/**
 * A table as migrations describe it, the same for both databases. A `?` means that the column may be null; all others
 * must be given. There are no foreign keys: as in LiteLLM, a key may name a user that nobody has created.
 */
export interface TableShape {
  readonly name: string
  readonly columns: Readonly<Record<string, ColumnType>>
  readonly primaryKey: readonly [string, ...string[]]
  readonly unique?: readonly Columns[]
  /**
   * Looked up by. An index whose first column may be null leaves the nulls out: it is as small as what it finds, and
   * both databases use it for `column = value`.
   */
  readonly indexes?: readonly Columns[]
  /** SQLite: rows live in the primary key's tree instead of beside it. For small rows that are read by key range. */
  readonly clustered?: boolean
  /** PostgreSQL: one partition per month of this column, epoch milliseconds; it must be part of the primary key. */
  readonly partitionedBy?: string
  /**
   * PostgreSQL: percentage of a page that inserts fill. Room for updates on the same page, which then touch no index
   * (heap-only tuples).
   */
  readonly fillFactor?: number
}

export type ColumnType = 'text' | 'text?' | 'integer' | 'integer?'
type Columns = readonly [string, ...string[]]

/** The statements that make the table, its default partition and its indexes. */
export function createTable(target: SchemaTarget, shape: TableShape): readonly string[] {
  const statements = [table(target, shape).compile().sql]
  if (target.dialect === 'postgres' && shape.partitionedBy !== undefined) statements.push(defaultPartition(shape.name))
  for (const columns of shape.indexes ?? []) statements.push(createIndex(target, shape, columns).compile().sql)
  return statements
}

/** Takes the rows of months without a partition (old imports, a clock that is wrong), so that none is ever refused. */
function defaultPartition(name: string): string {
  return `create table "${name}_default" partition of "${name}" default`
}

function table({ dialect, schema }: SchemaTarget, shape: TableShape): Compilable {
  let builder: CreateTableBuilder<string, string> = schema.createTable(shape.name)
  for (const [name, type] of Object.entries(shape.columns)) {
    builder = builder.addColumn(name, columnType(dialect, type), column =>
      type.endsWith('?') ? column : column.notNull(),
    )
  }
  builder = builder.addPrimaryKeyConstraint(`${shape.name}_primary_key`, [...shape.primaryKey])
  for (const columns of shape.unique ?? []) {
    builder = builder.addUniqueConstraint(`${shape.name}_unique_${columns.join('_')}`, [...columns])
  }
  const end = dialect === 'sqlite' ? sqliteEnd(shape) : postgresEnd(shape)
  return end === undefined ? builder : builder.modifyEnd(end)
}

/**
 * Text compares byte by byte (collation "C") on both databases: the same order for the same rows, whatever locale the
 * PostgreSQL cluster has, and an index that a new C library cannot invalidate.
 */
function columnType(dialect: SchemaTarget['dialect'], type: ColumnType): RawBuilder<unknown> {
  const isText = type.startsWith('text')
  if (dialect === 'postgres') return isText ? sql`text collate "C"` : sql`bigint`
  return isText ? sql`text` : sql`integer`
}

/** STRICT: SQLite refuses what is not of the column's type, as PostgreSQL does. */
function sqliteEnd(shape: TableShape): RawBuilder<unknown> {
  return shape.clustered === true ? sql`strict, without rowid` : sql`strict`
}

function postgresEnd(shape: TableShape): RawBuilder<unknown> | undefined {
  if (shape.partitionedBy !== undefined) return sql`partition by range (${sql.ref(shape.partitionedBy)})`
  if (shape.fillFactor !== undefined) return sql`with (fillfactor = ${sql.lit(shape.fillFactor)})`
  return undefined
}

function createIndex({ schema }: SchemaTarget, shape: TableShape, columns: Columns): Compilable {
  const [first] = columns
  const index = schema
    .createIndex(`${shape.name}_by_${columns.join('_')}`)
    .on(shape.name)
    .columns([...columns])
  return shape.columns[first]?.endsWith('?') === true ? index.where(sql<boolean>`${sql.ref(first)} is not null`) : index
}
