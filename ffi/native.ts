/**
 * Native code opened from memory. `Deno.dlopen` costs 0.1 ms, plus 0.2 ms for each symbol (0.15 ms more for each
 * `buffer` parameter), as Deno compiles a trampoline for it. So pieces share an image, symbols are bound when they are
 * wanted, and what is called rarely is declared `cold`: it gets no trampoline (10 µs instead), and a call of it takes
 * half a microsecond instead of 10 ns.
 */

import { Assembler } from "./asm/assembler.ts";
import { dataOffset, writeSharedObject } from "./asm/elf.ts";
import { type KeptCode, keptCode, storedCode } from "./kept_code.ts";

/** What of a `Deno.ForeignFunction` a native piece may state. */
export interface NativeSignature {
  readonly parameters: readonly Deno.NativeType[];
  readonly result: Deno.NativeResultType;
  /** Called rarely: cheap to bind, slow to call. */
  readonly cold?: boolean;
}

type NativeFunction<F extends NativeSignature> = Deno.DynamicLibrary<
  { f: { parameters: F["parameters"]; result: F["result"] } }
>["symbols"]["f"];

/** The callable functions of an image. */
export type NativeFunctions<S extends Record<string, NativeSignature>> = {
  readonly [K in keyof S]: NativeFunction<S[K]>;
};

type AnyFunction = (...args: unknown[]) => unknown;

// Deno compiles no trampoline for a signature with a struct. A last argument that the callee ignores is harmless.
const COLD_TYPE = { struct: ["u8"] } as const;
const COLD_ARGUMENT = new Uint8Array(1);
const MFD_CLOEXEC = 1;

function openHostC() {
  return Deno.dlopen("libc.so.6", {
    memfd_create: { parameters: ["buffer", "u32", COLD_TYPE], result: "i32" },
    write: { parameters: ["i32", "buffer", "usize", COLD_TYPE], result: "isize" },
    dlsym: { parameters: ["usize", "buffer", COLD_TYPE], result: "usize" },
  }).symbols;
}

let hostC: ReturnType<typeof openHostC> | null = null;

/** The address of a symbol of the host's C library, 0 where it has none. Slow. */
export function hostSymbol(name: string): number {
  hostC ??= openHostC();
  return Number(hostC.dlsym(0n, new TextEncoder().encode(`${name}\0`), COLD_ARGUMENT));
}

/**
 * Puts a shared object into a memfd and returns the path `dlopen` takes. The descriptor stays open for good: glibc
 * knows a library by its path, so a second one under the same descriptor number would be taken for the first.
 */
function placeInMemory(name: string, sharedObject: Uint8Array<ArrayBuffer>): string {
  hostC ??= openHostC();
  const cname = new TextEncoder().encode(`${name}\0`);
  const fd = hostC.memfd_create(cname, MFD_CLOEXEC, COLD_ARGUMENT);
  if (fd < 0) throw new Error(`native: memfd_create of ${name} failed`);
  const size = sharedObject.length;
  const written = hostC.write(fd, sharedObject, BigInt(size), COLD_ARGUMENT);
  if (Number(written) !== size) throw new Error(`native: short write of ${name} to its memfd`);
  return `/proc/self/fd/${fd}`;
}

/** Opens a shared object held in memory and binds its symbols. */
export function loadNative<const S extends Deno.ForeignLibraryInterface>(
  name: string,
  sharedObject: Uint8Array<ArrayBuffer>,
  symbols: S,
): Deno.DynamicLibrary<S>["symbols"] {
  return Deno.dlopen(placeInMemory(name, sharedObject), symbols).symbols;
}

/** The label of an image's data segment, where its pieces may use `rip(NATIVE_DATA, offset)`. */
export const NATIVE_DATA = "native.data";

/** The library of all images that the build of the executable makes of them, and the path it is opened by. */
const LIBRARY = "native library";
const images: NativeImage[] = [];
let library: { path: string; symbols: ReadonlyMap<string, number> } | null = null;

function openLibrary(): typeof library {
  if (library === null) {
    const stored = storedCode(LIBRARY);
    if (stored === null) return null;
    library = { path: placeInMemory("runsc-native", stored.code), symbols: stored.labels };
  }
  return library;
}

keptCode(LIBRARY, () => joinImages(images));

/** Puts the code of images one after another, and the data of all behind it, into one shared object. */
function joinImages(images: readonly NativeImage[]): KeptCode {
  const starts: number[] = [];
  let end = 0;
  for (const image of images) {
    starts.push(end);
    end = Math.ceil((end + image.assemble(0).code.length) / 64) * 64;
  }
  const code = new Uint8Array(end);
  const labels = new Map<string, number>();
  let data = 0;
  images.forEach((image, i) => {
    const part = image.assemble(dataOffset(end) + data - starts[i]);
    code.set(part.code, starts[i]);
    for (const name of image.names) {
      labels.set(`${image.name}.${name}`, starts[i] + part.labels.get(name)!);
    }
    data += Math.ceil(image.dataSize / 64) * 64;
  });
  const file = writeSharedObject({
    code,
    exports: Object.fromEntries(labels),
    data: data > 0 ? { size: data } : undefined,
  });
  return { code: file, labels };
}

/**
 * Collects native functions and opens them together.
 *
 * @example
 * ```ts
 * const image = new NativeImage("sum")
 *   .add("add", (a) => a.lea(rax, mem({ base: rdi, index: rsi })).ret(), {
 *     parameters: ["i32", "i32"],
 *     result: "i32",
 *   });
 * image.load().add(1, 2);
 * ```
 */
export class NativeImage<S extends Record<string, NativeSignature> = Record<never, never>> {
  readonly name: string;
  /** Bytes of its data segment. */
  dataSize = 0;
  #pieces: ((a: Assembler) => unknown)[] = [];
  #signatures = new Map<string, NativeSignature>();
  #bound = new Map<string, AnyFunction>();
  #path: string | null = null;
  /** What symbols are called in the file. */
  #prefix = "";

  constructor(name: string) {
    this.name = name;
    images.push(this as unknown as NativeImage);
  }

  /** Its exported functions. */
  get names(): Iterable<string> {
    return this.#signatures.keys();
  }

  /** Adds an exported function. Its label is its name, so that pieces may call each other. */
  add<const N extends string, const F extends NativeSignature>(
    name: N,
    build: (a: Assembler) => unknown,
    signature: F,
  ): NativeImage<S & Record<N, F>> {
    this.#signatures.set(name, signature);
    this.code((a) => build(a.label(name)));
    return this as unknown as NativeImage<S & Record<N, F>>;
  }

  /** Adds code or constants that are reached through their own labels only. */
  code(build: (a: Assembler) => unknown): this {
    if (this.#path !== null) throw new Error(`native: image ${this.name} is already open`);
    this.#pieces.push(build);
    return this;
  }

  /** Reserves zeroed, writable bytes; returns their distance from `rip(NATIVE_DATA)`. */
  data(size: number, alignment = 16): number {
    const at = Math.ceil(this.dataSize / alignment) * alignment;
    this.dataSize = at + size;
    return at;
  }

  /**
   * Opens the image and returns all functions, or those that are named; more may be bound later. `cold` binds them as
   * if they were declared so.
   */
  load<K extends keyof S & string>(
    names?: readonly K[],
    cold = false,
  ): Pick<NativeFunctions<S>, K> {
    const path = this.#open();
    const wanted: readonly string[] = names ?? [...this.#signatures.keys()];
    const symbols: Record<string, Deno.ForeignFunction> = {};
    for (const name of wanted) {
      const signature = this.#signatures.get(name);
      if (signature === undefined) throw new Error(`native: ${this.name} has no ${name}`);
      const isCold = cold || signature.cold === true;
      const key = isCold ? `${name} cold` : name;
      if (this.#bound.has(key)) continue;
      const { parameters, result } = signature;
      symbols[key] = {
        name: this.#prefix + name,
        parameters: isCold ? [...parameters, COLD_TYPE] : parameters,
        result,
      };
    }
    const opened = Deno.dlopen(path, symbols).symbols as Record<string, AnyFunction>;
    for (const key of Object.keys(symbols)) {
      const raw = opened[key];
      const isCold = key.endsWith(" cold");
      this.#bound.set(key, isCold ? (...args) => raw(...args, COLD_ARGUMENT) : raw);
    }
    const functions: Record<string, AnyFunction> = {};
    for (const name of wanted) {
      const isCold = cold || this.#signatures.get(name)?.cold === true;
      functions[name] = this.#bound.get(isCold ? `${name} cold` : name)!;
    }
    return functions as Pick<NativeFunctions<S>, K>;
  }

  /** Its code, for a data segment that lies `distance` bytes past the code's start. */
  assemble(distance: number): KeptCode {
    const a = new Assembler();
    for (const piece of this.#pieces) piece(a.align(16));
    if (this.dataSize > 0) a.labelAt(NATIVE_DATA, distance);
    return a.assemble();
  }

  #open(): string {
    if (this.#path === null) {
      const all = openLibrary();
      // The build joins the images that it knows of; another is opened by itself.
      if (all !== null && [...this.names].every((n) => all.symbols.has(`${this.name}.${n}`))) {
        this.#path = all.path;
        this.#prefix = `${this.name}.`;
        return this.#path;
      }
      const length = this.assemble(0).code.length;
      const { code, labels } = this.assemble(dataOffset(length));
      const exports: Record<string, number> = {};
      for (const name of this.#signatures.keys()) exports[name] = labels.get(name)!;
      const data = this.dataSize > 0 ? { size: this.dataSize } : undefined;
      this.#path = placeInMemory(this.name, writeSharedObject({ code, exports, data }));
    }
    return this.#path;
  }
}
