/**
 * One reserved range of addresses for all memory that the sentry shares with its stubs, behind one `ArrayBuffer`.
 *
 * V8 collects garbage whenever a large buffer comes into being, for it takes the memory behind it for used. With the
 * sentry's code in the heap each such collection takes as long as starting a container should; so the range is reserved
 * before that code is loaded, once for everything.
 */

const PROT_NONE = 0;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;

// With a struct in its signature a function gets no trampoline, which would cost more than its few calls.
const COLD = { struct: ["u8"] } as const;
const COLD_ARGUMENT = new Uint8Array(1);

/** A part of the range. */
export interface Region {
  /** Where it is mapped. */
  address: number;
  buffer: ArrayBuffer;
  /** Offset in the buffer. */
  offset: number;
}

/** The range, and the parts that it was reserved for. */
export interface Arena {
  address: number;
  buffer: ArrayBuffer;
  /** Offset and length by name. */
  parts: ReadonlyMap<string, { offset: number; length: number }>;
}

function openMmap() {
  return Deno.dlopen("libc.so.6", {
    mmap: { parameters: ["usize", "usize", "i32", "i32", "i32", "i64", COLD], result: "isize" },
  }).symbols.mmap;
}

let hostMmap: ReturnType<typeof openMmap> | null = null;
let arena: Arena | null = null;

function mmap(address: number, length: number, prot: number, flags: number, fd: number): number {
  hostMmap ??= openMmap();
  const at = hostMmap(BigInt(address), BigInt(length), prot, flags, fd, 0n, COLD_ARGUMENT);
  if (Number(at) === -1) throw new Error(`memory: cannot map ${length} bytes`);
  return Number(at);
}

function bufferAt(address: number, length: number): ArrayBuffer {
  const pointer = Deno.UnsafePointer.create(BigInt(address));
  if (pointer === null) throw new Error("memory: there is none at address 0");
  return Deno.UnsafePointerView.getArrayBuffer(pointer, length);
}

/** Reserves addresses for parts of these lengths, each a multiple of the page size. */
export function reserveArena(lengths: ReadonlyMap<string, number>): Arena {
  const parts = new Map<string, { offset: number; length: number }>();
  let size = 0;
  for (const [name, length] of lengths) {
    parts.set(name, { offset: size, length });
    size += length;
  }
  const address = mmap(0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  return { address, buffer: bufferAt(address, size), parts };
}

/** Has `mapRegion` take its regions from a reserved range. */
export function adoptArena(reserved: Arena): void {
  arena = reserved;
}

/** Maps a file, or fresh private memory for `fd` -1, where it was reserved; elsewhere if nothing was. */
export function mapRegion(name: string, length: number, fd: number): Region {
  const part = arena?.parts.get(name);
  const kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  if (arena === null || part === undefined || part.length < length) {
    const address = mmap(0, length, PROT_READ_WRITE, kind | MAP_NORESERVE, fd);
    return { address, buffer: bufferAt(address, length), offset: 0 };
  }
  const flags = kind | MAP_NORESERVE | MAP_FIXED;
  const address = mmap(arena.address + part.offset, length, PROT_READ_WRITE, flags, fd);
  return { address, buffer: arena.buffer, offset: part.offset };
}
