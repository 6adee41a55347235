import { type Condition, CONDITIONS } from "./integer.ts";
import type { Mem } from "./operands.ts";
import type { Reg } from "./registers.ts";
import { SystemAssembler } from "./system.ts";

/**
 * An x86-64 assembler: one method an instruction, operands in Intel order.
 *
 * @example
 * ```ts
 * const a = new Assembler();
 * a.label("getpid").mov(eax, imm(39)).syscall().ret();
 * const { code, labels } = a.assemble();
 * ```
 */
export class Assembler extends SystemAssembler {
  /** Calls a label, or through a register or memory. */
  call(target: string | Reg | Mem): this {
    return this.#branch("call", 0xe8, 2, target);
  }

  /** Jumps to a label, or through a register or memory. */
  jmp(target: string | Reg | Mem): this {
    return this.#branch("jmp", 0xe9, 4, target);
  }

  #branch(name: string, opcode: number, ext: number, target: string | Reg | Mem): this {
    if (typeof target === "string") return this.db(opcode).rel32(target);
    if (target.size !== 64 && !(target.kind === "mem" && target.size === null)) {
      return this.reject(name, target);
    }
    return this.modrm({ opcode: [0xff], size: 64, wide: false }, ext, target);
  }

  /** Returns, dropping `bytes` of arguments. */
  ret(bytes = 0): this {
    return bytes === 0 ? this.db(0xc3) : this.db(0xc2, bytes & 0xff, bytes >> 8);
  }

  /** Jumps to a label on a condition, always with a 32-bit distance. */
  jcc(condition: Condition, label: string): this {
    return this.db(0x0f, 0x80 | CONDITIONS[condition]).rel32(label);
  }

  jo(label: string): this {
    return this.jcc("o", label);
  }

  jno(label: string): this {
    return this.jcc("no", label);
  }

  jb(label: string): this {
    return this.jcc("b", label);
  }

  jc(label: string): this {
    return this.jcc("c", label);
  }

  jnae(label: string): this {
    return this.jcc("nae", label);
  }

  jae(label: string): this {
    return this.jcc("ae", label);
  }

  jnb(label: string): this {
    return this.jcc("nb", label);
  }

  jnc(label: string): this {
    return this.jcc("nc", label);
  }

  je(label: string): this {
    return this.jcc("e", label);
  }

  jz(label: string): this {
    return this.jcc("z", label);
  }

  jne(label: string): this {
    return this.jcc("ne", label);
  }

  jnz(label: string): this {
    return this.jcc("nz", label);
  }

  jbe(label: string): this {
    return this.jcc("be", label);
  }

  jna(label: string): this {
    return this.jcc("na", label);
  }

  ja(label: string): this {
    return this.jcc("a", label);
  }

  jnbe(label: string): this {
    return this.jcc("nbe", label);
  }

  js(label: string): this {
    return this.jcc("s", label);
  }

  jns(label: string): this {
    return this.jcc("ns", label);
  }

  jp(label: string): this {
    return this.jcc("p", label);
  }

  jnp(label: string): this {
    return this.jcc("np", label);
  }

  jl(label: string): this {
    return this.jcc("l", label);
  }

  jnge(label: string): this {
    return this.jcc("nge", label);
  }

  jge(label: string): this {
    return this.jcc("ge", label);
  }

  jnl(label: string): this {
    return this.jcc("nl", label);
  }

  jle(label: string): this {
    return this.jcc("le", label);
  }

  jng(label: string): this {
    return this.jcc("ng", label);
  }

  jg(label: string): this {
    return this.jcc("g", label);
  }

  jnle(label: string): this {
    return this.jcc("nle", label);
  }
}
