import {
  type Assembler,
  eax,
  edi,
  edx,
  esi,
  imm,
  mem,
  r10,
  r12,
  r13,
  r13d,
  r8,
  r9,
  rax,
  rcx,
  rdi,
  rdx,
  rsi,
} from "./asm/mod.ts";

/** Bytes of an operation: call number, six arguments, then the flags in and the result out. */
const OP_SIZE = 64;

/** A list of system calls as data, run in one native call, in a child where wanted. */
export class SyscallProgram {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  /** Buffers that arguments point into; kept from the garbage collector. */
  readonly #kept: Uint8Array[] = [];
  readonly #mayFail: boolean[] = [];
  #count = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity * OP_SIZE);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Operations so far. */
  get count(): number {
    return this.#count;
  }

  /** Adds a system call; arguments are numbers or buffers passed by address. */
  add(nr: number, ...args: (number | Uint8Array<ArrayBuffer>)[]): this {
    return this.#add(0, nr, args);
  }

  /** Adds a system call whose failure does not end the program. */
  try(nr: number, ...args: (number | Uint8Array<ArrayBuffer>)[]): this {
    return this.#add(1, nr, args);
  }

  #add(flags: number, nr: number, args: (number | Uint8Array<ArrayBuffer>)[]): this {
    this.#mayFail.push(flags !== 0);
    const at = this.#count++ * OP_SIZE;
    if (at >= this.bytes.length) throw new Error("system call program is full");
    this.#view.setBigInt64(at, BigInt(nr), true);
    args.forEach((arg, i) => {
      let value: bigint;
      if (typeof arg === "number") value = BigInt(arg);
      else {
        this.#kept.push(arg);
        value = Deno.UnsafePointer.value(Deno.UnsafePointer.of(arg)) as bigint;
      }
      this.#view.setBigInt64(at + 8 + 8 * i, value, true);
    });
    this.#view.setBigInt64(at + 56, BigInt(flags), true);
    return this;
  }

  /** Has argument `argument` of operation `i` be the address of argument `target` of operation `j`. */
  pointAt(i: number, argument: number, j: number, target: number): void {
    const base = Deno.UnsafePointer.value(Deno.UnsafePointer.of(this.bytes)) as bigint;
    const address = base + BigInt(j * OP_SIZE + 8 + 8 * target);
    this.#view.setBigInt64(i * OP_SIZE + 8 + 8 * argument, address, true);
  }

  /** The result of the operation that ended a run early, 0 if none did. Results are seen with CLONE_VM only. */
  firstFailure(): number {
    for (let i = 0; i < this.#count; i++) {
      if (!this.#mayFail[i] && this.result(i) < 0) return this.result(i);
    }
    return 0;
  }

  /** The result of operation `i` after a run; its flags if it did not run. */
  result(i: number): number {
    return Number(this.#view.getBigInt64(i * OP_SIZE + 56, true));
  }
}

/**
 * Native `run_in_child(program, count, cloneFlags, stack, stackSize) -> pid`: clones a child that
 * shares nothing it does not ask for, runs the program on its own stack and exits with 127 at the
 * first failure. With CLONE_VM|CLONE_VFORK the results are seen by the parent.
 */
export function emitRunInChild(a: Assembler): void {
  a.push(r12).push(r13);
  a.mov(r12, rdi).mov(r13d, esi);
  a.mov(edi, edx);
  a.mov(rsi, rcx).add(rsi, r8).and(rsi, imm(-16));
  a.xor(edx, edx).mov(r10, rdx).mov(r8, rdx);
  a.mov(eax, imm(56)).syscall();
  a.test(rax, rax).je("child_next");
  a.pop(r13).pop(r12).ret();

  a.label("child_next");
  a.test(r13, r13).je("child_done");
  a.mov(rax, mem(r12, 0)).mov(rdi, mem(r12, 8)).mov(rsi, mem(r12, 16)).mov(rdx, mem(r12, 24));
  a.mov(r10, mem(r12, 32)).mov(r8, mem(r12, 40)).mov(r9, mem(r12, 48));
  a.syscall();
  a.mov(rcx, mem(r12, 56)).mov(mem(r12, 56), rax);
  a.test(rax, rax).jns("child_ok");
  a.test(rcx, rcx).je("child_failed");
  a.label("child_ok");
  a.add(r12, imm(OP_SIZE)).dec(r13);
  a.jmp("child_next");
  a.label("child_done");
  a.xor(edi, edi).mov(eax, imm(231)).syscall();
  a.label("child_failed");
  a.mov(edi, imm(127)).mov(eax, imm(231)).syscall();
  a.ud2();
}
