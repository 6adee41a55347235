import type { Mem } from "./operands.ts";
import type { ControlReg, Reg, Size, Xmm } from "./registers.ts";

/** What `Encoder.assemble` returns. */
export interface Assembled {
  code: Uint8Array<ArrayBuffer>;
  /** Offset of each label from the start of the code. */
  labels: Map<string, number>;
}

interface Fixup {
  label: string;
  at: number;
  /** Where the instruction ends, for a relative fix-up; -1 for an absolute 64-bit address. */
  end: number;
  addend: number;
}

/** How one instruction with a ModRM byte is to be encoded. */
export interface Form {
  opcode: readonly number[];
  /** Operand width; 64 sets REX.W, 16 the operand size prefix. */
  size: Size;
  /** F2, F3 or 66 where it is part of the opcode. */
  prefix?: number;
  /** Bytes of immediate that follow the address. */
  immBytes?: number;
  /** Width of the register or memory operand where it differs (`movzx`). */
  rmSize?: Size;
  /** False where 64 bits are the default width (`push`, `call`). */
  wide?: boolean;
}

/** Bytes, labels and the encoding of prefixes, ModRM and SIB (Intel SDM volume 2, chapter 2). */
export class Encoder {
  #bytes = new Uint8Array(1024);
  #length = 0;
  #labels = new Map<string, number>();
  #fixups: Fixup[] = [];

  /** Bytes emitted so far. */
  get offset(): number {
    return this.#length;
  }

  /** Defines a label at the current offset. */
  label(name: string): this {
    return this.labelAt(name, this.#length);
  }

  /** Defines a label at any distance from the start of the code, such as in a segment that follows it. */
  labelAt(name: string, offset: number): this {
    if (this.#labels.has(name)) throw new Error(`asm: label "${name}" is defined twice`);
    this.#labels.set(name, offset);
    return this;
  }

  /** Emits bytes. */
  db(...bytes: number[]): this {
    for (const b of bytes) {
      if (!Number.isInteger(b) || b < -128 || b > 255) throw new Error(`asm: ${b} is no byte`);
      this.put(b);
    }
    return this;
  }

  /** Emits all bytes of an array. */
  bytes(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Emits a 32-bit little-endian number. */
  dd(value: number): this {
    if (!Number.isInteger(value) || value < -0x80000000 || value > 0xffffffff) {
      throw new Error(`asm: ${value} does not fit in 32 bits`);
    }
    return this.putInt(value, 4);
  }

  /** Emits a 64-bit little-endian number. */
  dq(value: number | bigint): this {
    if (typeof value === "number" && !Number.isSafeInteger(value)) {
      throw new Error(`asm: ${value} is not an exact integer; pass a bigint`);
    }
    const big = BigInt(value);
    if (big < -(1n << 63n) || big >= 1n << 64n) {
      throw new Error(`asm: ${value} does not fit in 64 bits`);
    }
    this.putInt(Number(BigInt.asUintN(32, big)), 4);
    return this.putInt(Number(BigInt.asUintN(32, big >> 32n)), 4);
  }

  /** Emits a string's bytes, one a character, with no NUL. */
  ascii(text: string): this {
    for (let i = 0; i < text.length; i++) this.db(text.charCodeAt(i));
    return this;
  }

  /** Fills up to a multiple of `alignment`, with NOPs by default. */
  align(alignment: number, fill = 0x90): this {
    if (!Number.isInteger(alignment) || alignment < 1) {
      throw new Error(`asm: alignment ${alignment}`);
    }
    while (this.#length % alignment !== 0) this.put(fill);
    return this;
  }

  /** Emits the 64-bit absolute address of a label, given the origin at assembly. */
  dqLabel(label: string, addend = 0): this {
    this.#fixups.push({ label, at: this.#length, end: -1, addend });
    return this.dq(0);
  }

  /** Emits the 32-bit distance from here to a label, as `call` and `jmp` take it. */
  protected rel32(label: string): this {
    this.#fixups.push({ label, at: this.#length, end: this.#length + 4, addend: 0 });
    return this.putInt(0, 4);
  }

  /** Resolves the labels and returns a copy of the code. */
  assemble(options: { origin?: number | bigint } = {}): Assembled {
    const code = this.#bytes.slice(0, this.#length);
    const view = new DataView(code.buffer);
    const origin = BigInt(options.origin ?? 0);
    for (const fixup of this.#fixups) {
      const target = this.#labels.get(fixup.label);
      if (target === undefined) throw new Error(`asm: label "${fixup.label}" is not defined`);
      if (fixup.end >= 0) {
        view.setInt32(fixup.at, target + fixup.addend - fixup.end, true);
      } else {
        view.setBigUint64(
          fixup.at,
          BigInt.asUintN(64, origin + BigInt(target + fixup.addend)),
          true,
        );
      }
    }
    return { code, labels: new Map(this.#labels) };
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  protected put(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  protected putInt(value: number, count: number): this {
    let rest = value >>> 0;
    for (let i = 0; i < count; i++) {
      this.put(rest & 0xff);
      rest >>>= 8;
    }
    return this;
  }

  /** Emits prefixes, REX, opcode, ModRM, SIB and displacement; the caller emits the immediate. */
  protected modrm(form: Form, reg: number | Reg | Xmm | ControlReg, rm: Reg | Mem | Xmm): this {
    const size = form.size;
    const regNum = typeof reg === "number" ? reg : reg.num;
    if (rm.kind === "mem" && rm.seg !== null) this.put(rm.seg === "fs" ? 0x64 : 0x65);
    if (size === 16) this.put(0x66);
    if (form.prefix !== undefined) this.put(form.prefix);

    let rex = size === 64 && form.wide !== false ? 8 : 0;
    if (regNum >= 8) rex |= 4;
    let force = typeof reg !== "number" && reg.kind === "reg" && reg.size === 8 && needsRex(reg);
    if (rm.kind === "mem") {
      if (rm.index !== null && rm.index.num >= 8) rex |= 2;
      if (rm.base !== null && rm.base.num >= 8) rex |= 1;
    } else {
      if (rm.num >= 8) rex |= 1;
      force ||= rm.kind === "reg" && (form.rmSize ?? size) === 8 && needsRex(rm);
    }
    if (rex !== 0 || force) this.put(0x40 | rex);
    for (const b of form.opcode) this.put(b);

    const r = (regNum & 7) << 3;
    if (rm.kind !== "mem") {
      this.put(0xc0 | r | (rm.num & 7));
      return this;
    }
    if (rm.label !== null) {
      this.put(r | 5);
      const at = this.#length;
      const end = at + 4 + (form.immBytes ?? 0);
      this.#fixups.push({ label: rm.label, at, end, addend: rm.disp });
      return this.putInt(0, 4);
    }
    return this.#address(r, rm);
  }

  #address(r: number, rm: Mem): this {
    const { base, index, disp } = rm;
    if (base === null) {
      // ModRM 00/101 alone would be RIP-relative in long mode, so the SIB form without a base is used.
      const sibIndex = index === null ? 4 : index.num & 7;
      this.put(r | 4);
      this.put((scaleBits(rm.scale) << 6) | (sibIndex << 3) | 5);
      return this.putInt(disp, 4);
    }
    // Base rbp or r13 has no form without displacement; base rsp or r12 always needs a SIB byte.
    const low = base.num & 7;
    const mod = disp === 0 && low !== 5 ? 0 : disp >= -128 && disp <= 127 ? 1 : 2;
    if (index !== null || low === 4) {
      const sibIndex = index === null ? 4 : index.num & 7;
      this.put((mod << 6) | r | 4);
      this.put((scaleBits(rm.scale) << 6) | (sibIndex << 3) | low);
    } else {
      this.put((mod << 6) | r | low);
    }
    if (mod === 1) this.putInt(disp, 1);
    else if (mod === 2) this.putInt(disp, 4);
    return this;
  }

  /** Emits an instruction that holds its register in the low bits of the opcode. */
  protected plusReg(opcode: readonly number[], reg: Reg, wide: boolean): this {
    if (reg.size === 16) this.put(0x66);
    const rex = (wide ? 8 : 0) | (reg.num >= 8 ? 1 : 0);
    if (rex !== 0 || (reg.size === 8 && needsRex(reg))) this.put(0x40 | rex);
    opcode.forEach((b, i) => this.put(i === opcode.length - 1 ? b | (reg.num & 7) : b));
    return this;
  }
}

// Without a REX prefix the numbers 4 to 7 mean ah, ch, dh and bh.
function needsRex(reg: Reg): boolean {
  return reg.num >= 4 && reg.num < 8;
}

function scaleBits(scale: number): number {
  return scale === 8 ? 3 : scale >> 1;
}
