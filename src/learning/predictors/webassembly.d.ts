/** What is used of WebAssembly: TypeScript declares it among the things of browsers only. */
// biome-ignore lint/style/noNamespace: what is global and not a module can be declared no other way.
declare namespace WebAssembly {
  class Memory {
    readonly buffer: ArrayBuffer
    constructor(descriptor: { readonly initial: number })
    /** @throws RangeError */
    grow(pages: number): number
  }
  class Module {
    constructor(bytes: Uint8Array)
  }
  class Instance {
    readonly exports: Readonly<Record<string, unknown>>
    constructor(module: Module, imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>)
  }
}
