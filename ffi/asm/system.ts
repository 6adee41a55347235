import { IntegerAssembler } from "./integer.ts";
import type { Imm, Mem } from "./operands.ts";
import type { Reg, Xmm } from "./registers.ts";

/** Strings, flags, SSE basics, processor state and privileged instructions. */
export class SystemAssembler extends IntegerAssembler {
  syscall(): this {
    return this.db(0x0f, 0x05);
  }

  sysretq(): this {
    return this.db(0x48, 0x0f, 0x07);
  }

  iretq(): this {
    return this.db(0x48, 0xcf);
  }

  int3(): this {
    return this.db(0xcc);
  }

  ud2(): this {
    return this.db(0x0f, 0x0b);
  }

  hlt(): this {
    return this.db(0xf4);
  }

  /** One NOP, or as few long NOPs as fill `count` bytes. */
  nop(count = 1): this {
    while (count > 0) {
      const bytes = LONG_NOPS[Math.min(count, LONG_NOPS.length) - 1];
      this.db(...bytes);
      count -= bytes.length;
    }
    return this;
  }

  pause(): this {
    return this.db(0xf3, 0x90);
  }

  endbr64(): this {
    return this.db(0xf3, 0x0f, 0x1e, 0xfa);
  }

  cpuid(): this {
    return this.db(0x0f, 0xa2);
  }

  rdtsc(): this {
    return this.db(0x0f, 0x31);
  }

  rdtscp(): this {
    return this.db(0x0f, 0x01, 0xf9);
  }

  xgetbv(): this {
    return this.db(0x0f, 0x01, 0xd0);
  }

  lfence(): this {
    return this.db(0x0f, 0xae, 0xe8);
  }

  mfence(): this {
    return this.db(0x0f, 0xae, 0xf0);
  }

  sfence(): this {
    return this.db(0x0f, 0xae, 0xf8);
  }

  cdq(): this {
    return this.db(0x99);
  }

  cqo(): this {
    return this.db(0x48, 0x99);
  }

  cdqe(): this {
    return this.db(0x48, 0x98);
  }

  pushfq(): this {
    return this.db(0x9c);
  }

  popfq(): this {
    return this.db(0x9d);
  }

  cld(): this {
    return this.db(0xfc);
  }

  std(): this {
    return this.db(0xfd);
  }

  cli(): this {
    return this.db(0xfa);
  }

  sti(): this {
    return this.db(0xfb);
  }

  /** Prefix of the next instruction: `a.lock().xadd(mem(rdi), rax)`. */
  lock(): this {
    return this.db(0xf0);
  }

  /** Prefix of the next string instruction: `a.rep().movsb()`. */
  rep(): this {
    return this.db(0xf3);
  }

  repne(): this {
    return this.db(0xf2);
  }

  movsb(): this {
    return this.db(0xa4);
  }

  movsq(): this {
    return this.db(0x48, 0xa5);
  }

  stosb(): this {
    return this.db(0xaa);
  }

  stosq(): this {
    return this.db(0x48, 0xab);
  }

  cmpsb(): this {
    return this.db(0xa6);
  }

  scasb(): this {
    return this.db(0xae);
  }

  repMovsb(): this {
    return this.rep().movsb();
  }

  repMovsq(): this {
    return this.rep().movsq();
  }

  repStosb(): this {
    return this.rep().stosb();
  }

  repStosq(): this {
    return this.rep().stosq();
  }

  #state(opcode: readonly number[], ext: number, operand: Mem, wide: boolean): this {
    return this.modrm({ opcode, size: wide ? 64 : 32 }, ext, operand);
  }

  fxsave64(operand: Mem): this {
    return this.#state([0x0f, 0xae], 0, operand, true);
  }

  fxrstor64(operand: Mem): this {
    return this.#state([0x0f, 0xae], 1, operand, true);
  }

  ldmxcsr(operand: Mem): this {
    return this.#state([0x0f, 0xae], 2, operand, false);
  }

  stmxcsr(operand: Mem): this {
    return this.#state([0x0f, 0xae], 3, operand, false);
  }

  xsave64(operand: Mem): this {
    return this.#state([0x0f, 0xae], 4, operand, true);
  }

  xrstor64(operand: Mem): this {
    return this.#state([0x0f, 0xae], 5, operand, true);
  }

  xsaveopt64(operand: Mem): this {
    return this.#state([0x0f, 0xae], 6, operand, true);
  }

  xsavec64(operand: Mem): this {
    return this.#state([0x0f, 0xc7], 4, operand, true);
  }

  fnstcw(operand: Mem): this {
    return this.#state([0xd9], 7, operand, false);
  }

  fldcw(operand: Mem): this {
    return this.#state([0xd9], 5, operand, false);
  }

  fninit(): this {
    return this.db(0xdb, 0xe3);
  }

  #base(ext: number, operand: Reg): this {
    if (operand.size < 32) return this.reject("segment base access", operand);
    return this.modrm({ opcode: [0x0f, 0xae], size: operand.size, prefix: 0xf3 }, ext, operand);
  }

  rdfsbase(dst: Reg): this {
    return this.#base(0, dst);
  }

  rdgsbase(dst: Reg): this {
    return this.#base(1, dst);
  }

  wrfsbase(src: Reg): this {
    return this.#base(2, src);
  }

  wrgsbase(src: Reg): this {
    return this.#base(3, src);
  }

  swapgs(): this {
    return this.db(0x0f, 0x01, 0xf8);
  }

  lgdt(operand: Mem): this {
    return this.#state([0x0f, 0x01], 2, operand, false);
  }

  lidt(operand: Mem): this {
    return this.#state([0x0f, 0x01], 3, operand, false);
  }

  invlpg(operand: Mem): this {
    return this.#state([0x0f, 0x01], 7, operand, false);
  }

  ltr(operand: Reg): this {
    if (operand.size !== 16) return this.reject("ltr", operand);
    return this.modrm({ opcode: [0x0f, 0x00], size: 32 }, 3, operand);
  }

  rdmsr(): this {
    return this.db(0x0f, 0x32);
  }

  wrmsr(): this {
    return this.db(0x0f, 0x30);
  }

  /** `in(al | ax | eax, dx | immediate)`. */
  in(dst: Reg, port: Reg | Imm | number): this {
    return this.#port("in", 0xe4, dst, port);
  }

  /** `out(dx | immediate, al | ax | eax)`. */
  out(port: Reg | Imm | number, src: Reg): this {
    return this.#port("out", 0xe6, src, port);
  }

  #port(name: string, opcode: number, data: Reg, port: Reg | Imm | number): this {
    if (data.num !== 0 || data.size === 64) return this.reject(name, data, port);
    if (data.size === 16) this.put(0x66);
    const wide = data.size === 8 ? 0 : 1;
    if (typeof port !== "number" && port.kind === "reg") {
      if (port.num !== 2 || port.size !== 16) return this.reject(name, data, port);
      return this.db(opcode | 8 | wide);
    }
    return this.db(opcode | wide, Number(typeof port === "number" ? port : port.value));
  }

  /** Moves 64 bits between an SSE register and a general register or memory. */
  movq(dst: Xmm | Reg | Mem, src: Xmm | Reg | Mem): this {
    const form = { size: 64, prefix: 0x66 } as const;
    if (dst.kind === "xmm" && src.kind !== "xmm" && src.size !== 32) {
      return this.modrm({ ...form, opcode: [0x0f, 0x6e] }, dst, src);
    }
    if (src.kind === "xmm" && dst.kind !== "xmm" && dst.size !== 32) {
      return this.modrm({ ...form, opcode: [0x0f, 0x7e] }, src, dst);
    }
    throw new Error("asm: movq moves between an xmm register and a 64-bit register or memory");
  }

  /** Unaligned load or store of 16 bytes. */
  movdqu(dst: Xmm | Mem, src: Xmm | Mem): this {
    const form = { size: 32, prefix: 0xf3 } as const;
    if (dst.kind === "xmm") return this.modrm({ ...form, opcode: [0x0f, 0x6f] }, dst, src);
    if (src.kind === "xmm") return this.modrm({ ...form, opcode: [0x0f, 0x7f] }, src, dst);
    throw new Error("asm: movdqu needs an xmm register");
  }

  /** Load or store of a double. */
  movsd(dst: Xmm | Mem, src: Xmm | Mem): this {
    const form = { size: 32, prefix: 0xf2 } as const;
    if (dst.kind === "xmm") return this.modrm({ ...form, opcode: [0x0f, 0x10] }, dst, src);
    if (src.kind === "xmm") return this.modrm({ ...form, opcode: [0x0f, 0x11] }, src, dst);
    throw new Error("asm: movsd needs an xmm register");
  }

  pxor(dst: Xmm, src: Xmm): this {
    return this.modrm({ size: 32, prefix: 0x66, opcode: [0x0f, 0xef] }, dst, src);
  }

  /** Double to signed integer, towards zero. */
  cvttsd2si(dst: Reg, src: Xmm | Mem): this {
    if (dst.size < 32) return this.reject("cvttsd2si", dst);
    return this.modrm({ size: dst.size, prefix: 0xf2, opcode: [0x0f, 0x2c] }, dst, src);
  }

  /** Signed integer to double. */
  cvtsi2sd(dst: Xmm, src: Reg | Mem): this {
    const size = this.sizeOf("cvtsi2sd", src);
    if (size < 32) return this.reject("cvtsi2sd", src);
    return this.modrm({ size, prefix: 0xf2, opcode: [0x0f, 0x2a] }, dst, src);
  }
}

// Recommended multi-byte NOPs, Intel SDM volume 2B.
const LONG_NOPS: readonly (readonly number[])[] = [
  [0x90],
  [0x66, 0x90],
  [0x0f, 0x1f, 0x00],
  [0x0f, 0x1f, 0x40, 0x00],
  [0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
  [0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];
