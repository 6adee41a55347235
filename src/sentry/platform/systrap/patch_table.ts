import * as L from "../../../../ffi/stub/layout.ts";
import { Reg, type RegisterFile, RESERVED_LOW_START, type TextMemory } from "../platform.ts";

/** Kernel memory, as the platform needs it. */
export interface FramePool {
  readonly memory: Uint8Array;
  alloc(count: number): number;
  ref(first: number, count: number): void;
  unref(first: number, count: number): void;
}

const PAGE = 4096;
const FRAMES = 16;
/** Traps at one site before it is worth patching. */
const THRESHOLD = 4;
/** Sites looked at before counting starts anew, so that hostile code can not grow the count. */
const MAX_COUNTED = 4096;
/** Landing pad of a site patched after its `mov`, from the start of its code. */
const LANDING = 12;
const BACK_POINTER = 40;

const enum Pattern {
  None = 0,
  /** `mov $nr, %eax; syscall` */
  Mov32 = 1,
  /** `syscall; cmp $-4096|-4095, %rax` */
  Cmp = 2,
  /** `mov $nr, %rax; syscall` */
  Mov64 = 3,
}

/** Answers of the stub by system call number. */
const ANSWERS: ReadonlyMap<number, number> = new Map([
  [39, L.ANSWER_PID],
  [186, L.ANSWER_TID],
  [110, L.ANSWER_PPID],
  [102, L.ANSWER_UID],
  [107, L.ANSWER_EUID],
  [104, L.ANSWER_GID],
  [108, L.ANSWER_EGID],
]);

/** What forked address spaces share until one of them patches. */
class Image {
  users = 1;
  used = 0;
  readonly first: number;
  readonly pool: FramePool;
  /** Address after the call → address of the call. */
  readonly siteAfter = new Map<number, number>();
  /** Address right after a `Cmp` site's `syscall` → landing pad. */
  readonly landings = new Map<number, number>();
  /** Landing pad → address after the compare; the comparand is in `comparands`. */
  readonly afterLanding = new Map<number, number>();
  readonly comparands = new Map<number, number>();
  readonly mov32 = new Set<number>();
  /** What stood at each patched site. */
  readonly originals = new Map<number, Uint8Array>();

  constructor(pool: FramePool, first: number) {
    this.pool = pool;
    this.first = first;
  }

  copy(first: number): Image {
    const c = new Image(this.pool, first);
    c.used = this.used;
    this.siteAfter.forEach((v, k) => c.siteAfter.set(k, v));
    this.landings.forEach((v, k) => c.landings.set(k, v));
    this.afterLanding.forEach((v, k) => c.afterLanding.set(k, v));
    this.comparands.forEach((v, k) => c.comparands.set(k, v));
    this.mov32.forEach((v) => c.mov32.add(v));
    this.originals.forEach((v, k) => c.originals.set(k, v));
    const m = this.pool.memory;
    m.copyWithin(first * PAGE, this.first * PAGE, (this.first + FRAMES) * PAGE);
    return c;
  }
}

/** What the table needs of its address space. */
export interface PatchHost {
  readonly textMemory: TextMemory | null;
  map(addr: number, length: number, prot: number, memOffset: number): void;
  /** Points stopped threads that would return to `from` to `to`. */
  redirect(from: number, to: number): void;
}

/**
 * The patched system call sites of one address space. A site's seven bytes become
 * `jmp *entry`, where the entry's third byte makes the last two bytes of the jump an invalid
 * instruction: a thread that was between the two old instructions raises SIGILL there, which is
 * then taken for the system call it was about to make.
 */
export class PatchTable {
  readonly #pool: FramePool;
  readonly #host: PatchHost;
  readonly #fastEntry: number;
  #image: Image | null = null;
  #counts = new Map<number, number>();
  #bytes = new Uint8Array(24);
  /** No more patches: the application wants GS, or asked for none. */
  disabled = false;

  constructor(pool: FramePool, host: PatchHost, fastEntry: number) {
    this.#pool = pool;
    this.#host = host;
    this.#fastEntry = fastEntry;
  }

  /** Sites patched so far. */
  get size(): number {
    return this.#image === null ? 0 : this.#image.used;
  }

  /** Takes over the patches of the address space this one is forked from. */
  inherit(parent: PatchTable): void {
    this.disabled = parent.disabled;
    this.#image = parent.#image;
    if (this.#image === null) return;
    this.#image.users++;
    this.#mapImage(this.#image);
  }

  /**
   * Puts the application's own code back and patches no more. The trampolines stay, for threads
   * that are on their way through them.
   */
  undo(): void {
    this.disabled = true;
    const image = this.#image;
    const text = this.#host.textMemory;
    if (image === null || text === null) return;
    const m = this.#pool.memory;
    for (const [site, bytes] of image.originals) {
      const at = text.ownText(site);
      if (at < 0) continue;
      // The program may have put other code there since.
      if (m[at] !== 0xff || m[at + 1] !== 0x24 || m[at + 2] !== 0x25) continue;
      m.set(bytes, at);
    }
  }

  /** Forgets all patches. */
  clear(): void {
    const image = this.#image;
    this.#image = null;
    this.#counts.clear();
    if (image !== null && --image.users === 0) this.#pool.unref(image.first, FRAMES);
  }

  /** True if a thread that raised SIGILL five bytes after `site` was in a patched `mov; syscall`. */
  resumePatched(site: number): boolean {
    return this.#image !== null && this.#image.mov32.has(site);
  }

  /** Address of the system call that returns to `rip`. */
  siteBefore(rip: number): number {
    return this.#image?.siteAfter.get(rip) ?? rip - 2;
  }

  /** Where a thread that would go on at `rip` has to go instead. */
  landingFor(rip: number): number {
    if (this.#image === null) return rip;
    return this.#image.landings.get(rip) ?? rip;
  }

  /** Turns a landing pad in RIP to the application's own address, doing what the pad does. */
  translate(file: RegisterFile): void {
    const image = this.#image;
    if (image === null || file.words[2 * Reg.RIP + 1] !== 0) return;
    const rip = file.words[2 * Reg.RIP];
    if (rip < RESERVED_LOW_START) return;
    const after = image.afterLanding.get(rip);
    if (after === undefined) return;
    const rax = file.get(Reg.RAX);
    const comparand = image.comparands.get(rip)!;
    let flags = file.words[2 * Reg.EFLAGS] & ~0x8d5; // OF SF ZF AF PF CF
    if (rax === comparand) flags |= 0x40;
    if (!(rax < 0 && rax >= comparand)) flags |= 1;
    if (rax < comparand) flags |= 0x80;
    file.words[2 * Reg.EFLAGS] = flags;
    file.set(Reg.RIP, after);
  }

  /** Counts a trap at `site`, the address of a `syscall` instruction; true: patch it now. */
  hit(site: number): boolean {
    if (this.disabled) return false;
    const counts = this.#counts;
    const n = (counts.get(site) ?? 0) + 1;
    if (counts.size >= MAX_COUNTED) counts.clear();
    counts.set(site, n);
    // Where patching did not work out it is tried again now and then.
    return n >= THRESHOLD && n % THRESHOLD === 0 && n < 64 * THRESHOLD;
  }

  /** Patches the site of a `syscall` instruction if its bytes allow it. No thread may run. */
  patch(syscallAt: number, sysno: number): boolean {
    const text = this.#host.textMemory;
    if (text === null) return false;
    const bytes = this.#bytes;
    const from = syscallAt - 7;
    if (!text.readText(from, bytes.subarray(0, 15))) return false;
    const pattern = match(bytes);
    if (pattern === Pattern.None) return false;
    // What looks like a `mov` may be the tail of another instruction; then the numbers differ.
    if (pattern !== Pattern.Cmp && get32(bytes, 3) !== sysno) return false;
    const site = pattern === Pattern.Mov32
      ? syscallAt - 5
      : pattern === Pattern.Mov64
      ? syscallAt - 7
      : syscallAt;
    if (Math.floor(site / PAGE) !== Math.floor((site + 6) / PAGE)) return false;
    const image = this.#ownImage();
    if (image === null || image.used >= L.PATCH_ENTRIES) return false;
    // The call's own two bytes lie past the seven of `mov $nr, %rax`, perhaps in another page.
    const at = text.ownText(site);
    if (at < 0) return false;
    const index = image.used++;
    const code = L.PATCH_CODE + index * L.PATCH_CODE_SIZE;
    const entry = L.PATCH_TABLE + 8 * index;
    this.#put64(image, entry, code);
    if (pattern === Pattern.Cmp) this.#emitCmp(image, code, site, get32(bytes, 10 + 1));
    else this.#emitMov(image, code, sysno, syscallAt + 2);
    image.siteAfter.set(pattern === Pattern.Cmp ? site + 8 : syscallAt + 2, site);
    if (pattern === Pattern.Mov32) image.mov32.add(site);
    const m = this.#pool.memory;
    image.originals.set(site, m.slice(at, at + 7));
    m[at] = 0xff;
    m[at + 1] = 0x24;
    m[at + 2] = 0x25;
    put32(m, at + 3, entry);
    if (pattern === Pattern.Cmp) {
      image.landings.set(site + 2, code + LANDING);
      this.#host.redirect(site + 2, code + LANDING);
    }
    return true;
  }

  #emitMov(image: Image, code: number, nr: number, after: number): void {
    const m = this.#pool.memory;
    let p = this.#offset(image, code);
    const answer = ANSWERS.get(nr);
    if (answer !== undefined) {
      // No flags change: a system call keeps them.
      p = put(m, p, 0x49, 0xbb); // movabs $after, %r11
      put64(m, p, after);
      p = put(m, p + 8, 0x65, 0x8b, 0x0c, 0x25); // mov %gs:answer, %ecx
      put32(m, p, L.S_ANSWERS + answer);
      p = put(m, p + 4, 0x8d, 0x49, 0x01); // lea 1(%rcx), %ecx
      p = put(m, p, 0x67, 0xe3, 0x06); // jecxz ask, where there is no answer (all ones)
      p = put(m, p, 0x8d, 0x41, 0xff); // lea -1(%rcx), %eax
      p = put(m, p, 0x41, 0xff, 0xe3); // jmp *%r11
      p = put(m, p, 0xb8); // ask: mov $nr, %eax
      put32(m, p, nr);
      p = put(m, p + 4, 0x4c, 0x89, 0xd9); // mov %r11, %rcx
      p = put(m, p, 0xff, 0x24, 0x25); // jmp *common
      put32(m, p, L.PATCH_TABLE_COMMON);
      return;
    }
    p = put(m, p, 0xb8); // mov $nr, %eax
    put32(m, p, nr);
    p = put(m, p + 4, 0x48, 0xb9); // movabs $after, %rcx
    put64(m, p, after);
    p = put(m, p + 8, 0xff, 0x24, 0x25); // jmp *common
    put32(m, p, L.PATCH_TABLE_COMMON);
  }

  #emitCmp(image: Image, code: number, site: number, comparand: number): void {
    const m = this.#pool.memory;
    const start = this.#offset(image, code);
    let p = put(m, start, 0xb9); // mov $landing, %ecx
    put32(m, p, code + LANDING);
    p = put(m, p + 4, 0xff, 0x24, 0x25); // jmp *common
    put32(m, p, L.PATCH_TABLE_COMMON);
    p = put(m, p + 4, 0x48, 0x3d); // landing: cmp $comparand, %rax
    put32(m, p, comparand);
    p = put(m, p + 4, 0xff, 0x24, 0x25); // jmp *back
    put32(m, p, code + BACK_POINTER);
    put64(m, start + BACK_POINTER, site + 8);
    image.afterLanding.set(code + LANDING, site + 8);
    image.comparands.set(code + LANDING, comparand | 0);
  }

  #ownImage(): Image | null {
    let image = this.#image;
    if (image !== null && image.users === 1) return image;
    const first = this.#pool.alloc(FRAMES);
    if (first < 0) return null;
    if (image === null) {
      image = new Image(this.#pool, first);
      this.#put64(image, L.PATCH_TABLE_COMMON, this.#fastEntry);
    } else {
      image.users--;
      image = image.copy(first);
    }
    this.#image = image;
    this.#mapImage(image);
    return image;
  }

  #mapImage(image: Image): void {
    this.#host.map(RESERVED_LOW_START, FRAMES * PAGE, 5, image.first * PAGE);
  }

  #offset(image: Image, addr: number): number {
    return image.first * PAGE + addr - RESERVED_LOW_START;
  }

  #put64(image: Image, addr: number, v: number): void {
    put64(this.#pool.memory, this.#offset(image, addr), v);
  }
}

/** What stands around a `syscall` at offset 7. */
function match(b: Uint8Array): Pattern {
  if (b[7] !== 0x0f || b[8] !== 0x05) return Pattern.None;
  if (b[0] === 0x48 && b[1] === 0xc7 && b[2] === 0xc0 && b[6] < 0x80) return Pattern.Mov64;
  if (b[2] === 0xb8 && (b[1] & 0xf0) !== 0x40) {
    const nr = get32(b, 3);
    if (nr >= 0 && nr < 1024) return Pattern.Mov32;
  }
  if (
    b[9] === 0x48 && b[10] === 0x3d && b[12] === 0xf0 && b[13] === 0xff && b[14] === 0xff &&
    (b[11] === 0 || b[11] === 1)
  ) return Pattern.Cmp;
  return Pattern.None;
}

function get32(b: Uint8Array, at: number): number {
  return b[at] | b[at + 1] << 8 | b[at + 2] << 16 | b[at + 3] << 24;
}

function put(m: Uint8Array, at: number, ...bytes: number[]): number {
  for (let i = 0; i < bytes.length; i++) m[at + i] = bytes[i];
  return at + bytes.length;
}

function put32(m: Uint8Array, at: number, v: number): void {
  m[at] = v;
  m[at + 1] = v >>> 8;
  m[at + 2] = v >>> 16;
  m[at + 3] = v >>> 24;
}

function put64(m: Uint8Array, at: number, v: number): void {
  put32(m, at, v % 4294967296);
  put32(m, at + 4, Math.floor(v / 4294967296));
}
