import * as L from "./layout.ts";
import { SEED_CLONE_FLAGS } from "./seed.ts";

const AUDIT_ARCH_X86_64 = 0xc000003e;
const KILL = 0x80000000; // SECCOMP_RET_KILL_PROCESS
const TRAP = 0x00030000; // SECCOMP_RET_TRAP
const ALLOW = 0x7fff0000; // SECCOMP_RET_ALLOW

const LD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JEQ = 0x15;
const JGE = 0x35;
const JGT = 0x25;
const JA = 0x05;
const RET = 0x06;
const ADD_K = 0x04;
const ADD_X = 0x0c;
const TAX = 0x07;

// struct seccomp_data
const NR = 0;
const ARCH = 4;
const IP_LO = 8;
const IP_HI = 12;
const argLo = (i: number) => 16 + 8 * i;
const argHi = (i: number) => 20 + 8 * i;

/** Flags of the clone by which a stub makes a thread; no others pass the filter. */
export const STUB_CLONE_FLAGS = 0x100 /* VM */ | 0x200 /* FS */ | 0x400 /* FILES */ |
  0x800 /* SIGHAND */ | 0x10000 /* THREAD */ | 0x40000 /* SYSVSEM */ |
  0x200000; /* CHILD_CLEARTID */

interface Instruction {
  code: number;
  jt: string | null;
  jf: string | null;
  k: number;
}

/** BPF statements with labels; conditional jumps reach 255 instructions ahead. */
class Program {
  readonly #out: Instruction[] = [];
  readonly #labels = new Map<string, number>();
  #fresh = 0;

  label(name: string): void {
    this.#labels.set(name, this.#out.length);
  }

  op(code: number, k: number, jt: string | null = null, jf: string | null = null): void {
    this.#out.push({ code, jt, jf, k: k >>> 0 });
  }

  /** Goes to `target` unless word `offset` of the data equals `value`. */
  require(offset: number, value: number, target: string): void {
    this.op(LD, offset);
    this.op(JEQ, value, null, target);
  }

  fresh(): string {
    return `_${this.#fresh++}`;
  }

  encode(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#out.length * 8);
    const view = new DataView(bytes.buffer);
    this.#out.forEach((x, i) => {
      const distance = (label: string | null) => {
        if (label === null) return 0;
        const to = this.#labels.get(label);
        if (to === undefined || to <= i) throw new Error(`stub filter: bad label ${label}`);
        return to - i - 1;
      };
      view.setUint16(8 * i, x.code, true);
      if (x.code === JA) {
        view.setUint32(8 * i + 4, distance(x.jt), true);
        return;
      }
      const jt = distance(x.jt);
      const jf = distance(x.jf);
      if (jt > 255 || jf > 255) throw new Error("stub filter: jump too far");
      view.setUint8(8 * i + 2, jt);
      view.setUint8(8 * i + 3, jf);
      view.setUint32(8 * i + 4, x.k, true);
    });
    return bytes;
  }
}

/**
 * The seccomp filter of the seed and all stubs. System calls from anywhere but the stub's own code
 * are trapped: they are the application's. Those of the stub are what it needs and no more, as the
 * application can jump to its `syscall` instructions with registers of its own choice: such a jump
 * reaches futexes, mappings of the sandbox's own memory below the stub, and threads in itself.
 */
export function stubFilter(): Uint8Array<ArrayBuffer> {
  const p = new Program();
  p.require(ARCH, AUDIT_ARCH_X86_64, "kill");
  p.require(IP_HI, Math.floor(L.STUB_BASE / 2 ** 32), "trap");
  p.op(LD, IP_LO);
  const seedLo = (L.SEED_TEXT - L.STUB_BASE) >>> 0;
  p.op(JGE, L.STUB_TEXT_SIZE, "beyond", null);
  stubCalls(p);
  p.label("beyond");
  p.op(JGE, seedLo + L.SEED_TEXT_SIZE, "trap", null);
  p.op(JGE, seedLo, null, "trap");
  seedCalls(p);
  p.label("trap");
  p.op(RET, TRAP);
  p.label("kill");
  p.op(RET, KILL);
  p.label("allow");
  p.op(RET, ALLOW);
  return p.encode();
}

function stubCalls(p: Program): void {
  p.op(LD, NR);
  p.op(JEQ, 202, "futex");
  p.op(JEQ, 15, "allow"); // rt_sigreturn
  p.op(JEQ, 9, "mmap");
  p.op(JEQ, 10, "range"); // mprotect
  p.op(JEQ, 11, "munmap");
  p.op(JEQ, 1, "write");
  p.op(JEQ, 158, "arch_prctl");
  p.op(JEQ, 56, "clone");
  p.op(JEQ, 60, "allow"); // exit
  p.op(JEQ, 186, "allow"); // gettid
  p.op(JEQ, 131, "allow"); // sigaltstack
  p.op(JA, 0, "kill");

  p.label("futex"); // FUTEX_WAIT only: it can harm nobody
  p.require(argLo(1), 0, "kill");
  p.op(JA, 0, "allow");

  p.label("mmap"); // of kernel memory, shared, fixed
  p.require(argLo(4), L.FD_MEMORY, "kill");
  p.op(LD, argLo(3));
  p.op(JEQ, 0x11, "range");
  p.op(JEQ, 0x8011, "range", "kill"); // with MAP_POPULATE

  p.label("munmap");
  p.op(LD, argHi(0));
  p.op(JEQ, Math.floor(L.SEED_TEXT / 2 ** 32), null, "munmap_all");
  p.require(argLo(0), L.SEED_TEXT % 2 ** 32, "kill");
  p.require(argLo(1), L.SEED_SPAN, "kill");
  p.require(argHi(1), 0, "kill");
  p.op(JA, 0, "allow");
  p.label("munmap_all");
  p.op(JEQ, 0, null, "range");
  p.require(argLo(0), 0, "range");
  p.op(LD, argHi(1));
  p.op(JGE, Math.floor(L.STUB_BASE / 2 ** 32), "kill", "allow");

  // address.hi + length.hi + 1 < STUB_BASE.hi, so that address + length < STUB_BASE.
  p.label("range");
  p.op(LD, argHi(0));
  p.op(JGT, 0x7fff, "kill");
  p.op(LD, argHi(1));
  p.op(JGT, 0x7fff, "kill");
  p.op(TAX, 0);
  p.op(LD, argHi(0));
  p.op(ADD_X, 0);
  p.op(ADD_K, 1);
  p.op(JGE, Math.floor(L.STUB_BASE / 2 ** 32), "kill", "allow");

  p.label("write"); // eight bytes to the wake eventfd
  p.require(argLo(0), L.FD_WAKE, "kill");
  p.require(argLo(2), 8, "kill");
  p.op(JA, 0, "allow");

  p.label("arch_prctl"); // ARCH_SET_GS, ARCH_SET_FS
  p.op(LD, argLo(0));
  p.op(JEQ, 0x1001, "allow");
  p.op(JEQ, 0x1002, "allow", "kill");

  p.label("clone");
  p.require(argHi(0), 0, "kill");
  p.require(argLo(0), STUB_CLONE_FLAGS, "kill");
  p.op(JA, 0, "allow");
}

function seedCalls(p: Program): void {
  p.op(LD, NR);
  p.op(JEQ, 202, "allow"); // futex
  p.op(JEQ, 9, "seed_mmap");
  p.op(JEQ, 56, "seed_clone");
  p.op(JEQ, 11, "allow"); // munmap, in the child
  p.op(JEQ, 39, "allow"); // getpid
  p.op(JEQ, 110, "allow"); // getppid
  p.op(JEQ, 157, "seed_prctl");
  p.op(JEQ, 231, "allow", "kill"); // exit_group
  p.label("seed_mmap");
  p.require(argLo(4), L.FD_CONTROL, "kill");
  p.op(JA, 0, "allow");
  p.label("seed_clone");
  p.require(argLo(0), SEED_CLONE_FLAGS, "kill");
  p.op(JA, 0, "allow");
  p.label("seed_prctl");
  p.require(argLo(0), 1, "kill"); // PR_SET_PDEATHSIG
  p.op(JA, 0, "allow");
}
