import { Encoder, type Form } from "./encoder.ts";
import { describe, type Imm, imm, type Mem, type MoveOperand, type Operand } from "./operands.ts";
import type { ControlReg, Reg, Size } from "./registers.ts";

/** Condition codes of `jcc`, `setcc` and `cmovcc`. */
export const CONDITIONS = {
  o: 0,
  no: 1,
  b: 2,
  c: 2,
  nae: 2,
  ae: 3,
  nb: 3,
  nc: 3,
  e: 4,
  z: 4,
  ne: 5,
  nz: 5,
  be: 6,
  na: 6,
  a: 7,
  nbe: 7,
  s: 8,
  ns: 9,
  p: 10,
  np: 11,
  l: 12,
  nge: 12,
  ge: 13,
  nl: 13,
  le: 14,
  ng: 14,
  g: 15,
  nle: 15,
} as const;

/** The name of a condition code. */
export type Condition = keyof typeof CONDITIONS;

const IMMEDIATE_RANGES: Record<Size, readonly [bigint, bigint]> = {
  8: [-0x80n, 0xffn],
  16: [-0x8000n, 0xffffn],
  32: [-0x80000000n, 0xffffffffn],
  // 64-bit instructions sign-extend a 32-bit immediate.
  64: [-0x80000000n, 0x7fffffffn],
};

/** Integer instructions: moves, arithmetic, shifts, bits. */
export class IntegerAssembler extends Encoder {
  /** Throws that an instruction has no such form. */
  protected reject(name: string, ...operands: (MoveOperand | string)[]): never {
    const text = operands.map(describe).join(", ");
    throw new Error(`asm: can not encode ${name} ${text}`);
  }

  /** The common width of two operands. */
  protected width(name: string, a: Operand, b: Operand): Size {
    const sa = operandSize(a);
    const sb = operandSize(b);
    if (sa === null && sb === null) {
      throw new Error(
        `asm: operand size of ${name} ${describe(a)}, ${
          describe(b)
        } is unknown; use byte, word, dword or qword`,
      );
    }
    if (sa !== null && sb !== null && sa !== sb) this.reject(`${name} of unequal widths`, a, b);
    return (sa ?? sb) as Size;
  }

  protected sizeOf(name: string, a: Reg | Mem): Size {
    if (a.size === null) {
      throw new Error(
        `asm: operand size of ${name} ${describe(a)} is unknown; use byte, word, dword or qword`,
      );
    }
    return a.size;
  }

  /** The immediate as a signed number of the operand's width. */
  protected immediate(name: string, value: Imm | number, size: Size): number {
    const big = typeof value === "number" ? imm(value).value : value.value;
    const [low, high] = IMMEDIATE_RANGES[size];
    if (big < low || big > high) {
      throw new Error(`asm: immediate ${big} of ${name} does not fit a ${size}-bit operand`);
    }
    return Number(BigInt.asIntN(size, big));
  }

  /** A ModRM form whose last opcode byte has a bit that tells bytes from wider operands. */
  protected sizedForm(size: Size, opcode: readonly number[], immBytes = 0): Form {
    const last = opcode.length - 1;
    const bytes = size === 8 ? opcode : opcode.map((b, i) => (i === last ? b | 1 : b));
    return { opcode: bytes, size, immBytes };
  }

  #arithmetic(name: string, ext: number, dst: Operand, src: Operand): this {
    const size = this.width(name, dst, src);
    if (isImmediate(dst)) return this.reject(name, dst, src);
    if (isImmediate(src)) {
      const value = this.immediate(name, src, size);
      if (size !== 8 && value >= -128 && value <= 127) {
        return this.modrm({ opcode: [0x83], size, immBytes: 1 }, ext, dst).putInt(value, 1);
      }
      const bytes = immediateBytes(size);
      return this.modrm(this.sizedForm(size, [0x80], bytes), ext, dst).putInt(value, bytes);
    }
    if (src.kind === "reg") return this.modrm(this.sizedForm(size, [ext << 3]), src, dst);
    if (dst.kind === "reg") return this.modrm(this.sizedForm(size, [(ext << 3) | 2]), dst, src);
    return this.reject(name, dst, src);
  }

  add(dst: Operand, src: Operand): this {
    return this.#arithmetic("add", 0, dst, src);
  }

  or(dst: Operand, src: Operand): this {
    return this.#arithmetic("or", 1, dst, src);
  }

  adc(dst: Operand, src: Operand): this {
    return this.#arithmetic("adc", 2, dst, src);
  }

  sbb(dst: Operand, src: Operand): this {
    return this.#arithmetic("sbb", 3, dst, src);
  }

  and(dst: Operand, src: Operand): this {
    return this.#arithmetic("and", 4, dst, src);
  }

  sub(dst: Operand, src: Operand): this {
    return this.#arithmetic("sub", 5, dst, src);
  }

  xor(dst: Operand, src: Operand): this {
    return this.#arithmetic("xor", 6, dst, src);
  }

  cmp(dst: Operand, src: Operand): this {
    return this.#arithmetic("cmp", 7, dst, src);
  }

  test(dst: Operand, src: Operand): this {
    const size = this.width("test", dst, src);
    if (isImmediate(dst)) return this.reject("test", dst, src);
    if (isImmediate(src)) {
      const bytes = immediateBytes(size);
      return this.modrm(this.sizedForm(size, [0xf6], bytes), 0, dst)
        .putInt(this.immediate("test", src, size), bytes);
    }
    if (src.kind === "reg") return this.modrm(this.sizedForm(size, [0x84]), src, dst);
    if (dst.kind === "reg") return this.modrm(this.sizedForm(size, [0x84]), dst, src);
    return this.reject("test", dst, src);
  }

  /** Moves; a 64-bit register takes any 64-bit immediate, in the shortest form. */
  mov(dst: MoveOperand, src: MoveOperand): this {
    if (isControl(dst) || isControl(src)) return this.#moveControl(dst, src);
    const size = this.width("mov", dst, src);
    if (isImmediate(dst)) return this.reject("mov", dst, src);
    if (isImmediate(src)) return this.#moveImmediate(dst, src, size);
    if (src.kind === "reg") return this.modrm(this.sizedForm(size, [0x88]), src, dst);
    if (dst.kind === "reg") return this.modrm(this.sizedForm(size, [0x8a]), dst, src);
    return this.reject("mov", dst, src);
  }

  #moveImmediate(dst: Reg | Mem, src: Imm | number, size: Size): this {
    const big = typeof src === "number" ? imm(src).value : src.value;
    if (dst.kind === "reg" && size === 64 && (big < -0x80000000n || big > 0x7fffffffn)) {
      // Writing the low half clears the high half.
      if (big >= 0n && big <= 0xffffffffn) {
        return this.plusReg([0xb8], { ...dst, size: 32 }, false).putInt(Number(big), 4);
      }
      return this.movabs(dst, big);
    }
    const bytes = immediateBytes(size);
    const value = this.immediate("mov", src, size);
    if (dst.kind === "reg" && size !== 64) {
      return this.plusReg([size === 8 ? 0xb0 : 0xb8], dst, false).putInt(value, bytes);
    }
    return this.modrm(this.sizedForm(size, [0xc6], bytes), 0, dst).putInt(value, bytes);
  }

  #moveControl(dst: MoveOperand, src: MoveOperand): this {
    if (isControl(dst) && isReg64(src)) {
      return this.modrm({ opcode: [0x0f, 0x22], size: 64, wide: false }, dst, src);
    }
    if (isControl(src) && isReg64(dst)) {
      return this.modrm({ opcode: [0x0f, 0x20], size: 64, wide: false }, src, dst);
    }
    return this.reject("mov", dst, src);
  }

  /** Moves a full 64-bit immediate, always in the ten-byte form. */
  movabs(dst: Reg, value: number | bigint): this {
    if (dst.size !== 64) return this.reject("movabs", dst);
    return this.plusReg([0xb8], dst, true).dq(value);
  }

  lea(dst: Reg, src: Mem): this {
    if (dst.size === 8) return this.reject("lea", dst, src);
    return this.modrm({ opcode: [0x8d], size: dst.size }, dst, src);
  }

  #extend(name: string, opcode: number, dst: Reg, src: Reg | Mem): this {
    const from = this.sizeOf(name, src);
    if (from >= dst.size || from > 16) return this.reject(name, dst, src);
    const last = from === 8 ? opcode : opcode | 1;
    return this.modrm({ opcode: [0x0f, last], size: dst.size, rmSize: from }, dst, src);
  }

  movzx(dst: Reg, src: Reg | Mem): this {
    return this.#extend("movzx", 0xb6, dst, src);
  }

  movsx(dst: Reg, src: Reg | Mem): this {
    return this.#extend("movsx", 0xbe, dst, src);
  }

  movsxd(dst: Reg, src: Reg | Mem): this {
    if (dst.size !== 64 || (src.size !== 32 && src.size !== null)) {
      return this.reject("movsxd", dst, src);
    }
    return this.modrm({ opcode: [0x63], size: 64, rmSize: 32 }, dst, src);
  }

  #unary(name: string, opcode: number, ext: number, operand: Reg | Mem): this {
    const size = this.sizeOf(name, operand);
    return this.modrm(this.sizedForm(size, [opcode]), ext, operand);
  }

  inc(operand: Reg | Mem): this {
    return this.#unary("inc", 0xfe, 0, operand);
  }

  dec(operand: Reg | Mem): this {
    return this.#unary("dec", 0xfe, 1, operand);
  }

  not(operand: Reg | Mem): this {
    return this.#unary("not", 0xf6, 2, operand);
  }

  neg(operand: Reg | Mem): this {
    return this.#unary("neg", 0xf6, 3, operand);
  }

  mul(operand: Reg | Mem): this {
    return this.#unary("mul", 0xf6, 4, operand);
  }

  div(operand: Reg | Mem): this {
    return this.#unary("div", 0xf6, 6, operand);
  }

  idiv(operand: Reg | Mem): this {
    return this.#unary("idiv", 0xf6, 7, operand);
  }

  /** `imul(rm)`, `imul(reg, rm)` or `imul(reg, rm, immediate)`. */
  imul(a: Reg | Mem, b?: Reg | Mem, c?: Imm | number): this {
    if (b === undefined) return this.#unary("imul", 0xf6, 5, a);
    const size = this.width("imul", a, b);
    if (a.kind !== "reg" || size === 8) return this.reject("imul", a, b);
    if (c === undefined) return this.modrm({ opcode: [0x0f, 0xaf], size }, a, b);
    const value = this.immediate("imul", c, size);
    const short = value >= -128 && value <= 127;
    const bytes = short ? 1 : immediateBytes(size);
    return this.modrm({ opcode: [short ? 0x6b : 0x69], size, immBytes: bytes }, a, b)
      .putInt(value, bytes);
  }

  #shift(name: string, ext: number, operand: Reg | Mem, count: Operand): this {
    const size = this.sizeOf(name, operand);
    if (isImmediate(count)) {
      const value = this.#count(name, count);
      if (value === 1) return this.modrm(this.sizedForm(size, [0xd0]), ext, operand);
      return this.modrm(this.sizedForm(size, [0xc0], 1), ext, operand).putInt(value, 1);
    }
    if (!isCl(count)) return this.reject(name, operand, count);
    return this.modrm(this.sizedForm(size, [0xd2]), ext, operand);
  }

  #count(name: string, count: Imm | number): number {
    const value = Number(typeof count === "number" ? count : count.value);
    if (!Number.isInteger(value) || value < 0 || value > 63) {
      throw new Error(`asm: ${name} by ${value} is not within 0..63`);
    }
    return value;
  }

  rol(operand: Reg | Mem, count: Operand): this {
    return this.#shift("rol", 0, operand, count);
  }

  ror(operand: Reg | Mem, count: Operand): this {
    return this.#shift("ror", 1, operand, count);
  }

  shl(operand: Reg | Mem, count: Operand): this {
    return this.#shift("shl", 4, operand, count);
  }

  shr(operand: Reg | Mem, count: Operand): this {
    return this.#shift("shr", 5, operand, count);
  }

  sar(operand: Reg | Mem, count: Operand): this {
    return this.#shift("sar", 7, operand, count);
  }

  #doubleShift(name: string, opcode: number, dst: Reg | Mem, src: Reg, count: Operand): this {
    const size = this.width(name, dst, src);
    if (size === 8) return this.reject(name, dst, src);
    if (isImmediate(count)) {
      return this.modrm({ opcode: [0x0f, opcode], size, immBytes: 1 }, src, dst)
        .putInt(this.#count(name, count), 1);
    }
    if (!isCl(count)) return this.reject(name, dst, src, count);
    return this.modrm({ opcode: [0x0f, opcode | 1], size }, src, dst);
  }

  shld(dst: Reg | Mem, src: Reg, count: Operand): this {
    return this.#doubleShift("shld", 0xa4, dst, src, count);
  }

  shrd(dst: Reg | Mem, src: Reg, count: Operand): this {
    return this.#doubleShift("shrd", 0xac, dst, src, count);
  }

  #exchange(name: string, opcode: readonly number[], dst: Reg | Mem, src: Reg): this {
    return this.modrm(this.sizedForm(this.width(name, dst, src), opcode), src, dst);
  }

  xchg(dst: Reg | Mem, src: Reg): this {
    return this.#exchange("xchg", [0x86], dst, src);
  }

  cmpxchg(dst: Reg | Mem, src: Reg): this {
    return this.#exchange("cmpxchg", [0x0f, 0xb0], dst, src);
  }

  xadd(dst: Reg | Mem, src: Reg): this {
    return this.#exchange("xadd", [0x0f, 0xc0], dst, src);
  }

  #wideOp(name: string, opcode: number, dst: Reg, src: Reg | Mem, prefix?: number): this {
    const size = this.width(name, dst, src);
    if (size === 8) return this.reject(name, dst, src);
    return this.modrm({ opcode: [0x0f, opcode], size, prefix }, dst, src);
  }

  bsf(dst: Reg, src: Reg | Mem): this {
    return this.#wideOp("bsf", 0xbc, dst, src);
  }

  bsr(dst: Reg, src: Reg | Mem): this {
    return this.#wideOp("bsr", 0xbd, dst, src);
  }

  tzcnt(dst: Reg, src: Reg | Mem): this {
    return this.#wideOp("tzcnt", 0xbc, dst, src, 0xf3);
  }

  lzcnt(dst: Reg, src: Reg | Mem): this {
    return this.#wideOp("lzcnt", 0xbd, dst, src, 0xf3);
  }

  popcnt(dst: Reg, src: Reg | Mem): this {
    return this.#wideOp("popcnt", 0xb8, dst, src, 0xf3);
  }

  #bitTest(name: string, ext: number, dst: Reg | Mem, bit: Reg | Imm | number): this {
    if (typeof bit !== "number" && bit.kind === "reg") {
      const size = this.width(name, dst, bit);
      if (size === 8) return this.reject(name, dst, bit);
      return this.modrm({ opcode: [0x0f, 0x83 | (ext << 3)], size }, bit, dst);
    }
    const size = this.sizeOf(name, dst);
    if (size === 8) return this.reject(name, dst, bit);
    return this.modrm({ opcode: [0x0f, 0xba], size, immBytes: 1 }, ext, dst)
      .putInt(this.#count(name, bit), 1);
  }

  bt(dst: Reg | Mem, bit: Reg | Imm | number): this {
    return this.#bitTest("bt", 4, dst, bit);
  }

  bts(dst: Reg | Mem, bit: Reg | Imm | number): this {
    return this.#bitTest("bts", 5, dst, bit);
  }

  btr(dst: Reg | Mem, bit: Reg | Imm | number): this {
    return this.#bitTest("btr", 6, dst, bit);
  }

  btc(dst: Reg | Mem, bit: Reg | Imm | number): this {
    return this.#bitTest("btc", 7, dst, bit);
  }

  setcc(condition: Condition, dst: Reg | Mem): this {
    if (dst.size !== 8 && dst.size !== null) return this.reject("setcc", dst);
    return this.modrm({ opcode: [0x0f, 0x90 | CONDITIONS[condition]], size: 8 }, 0, dst);
  }

  cmovcc(condition: Condition, dst: Reg, src: Reg | Mem): this {
    return this.#wideOp("cmovcc", 0x40 | CONDITIONS[condition], dst, src);
  }

  push(operand: Operand): this {
    if (isImmediate(operand)) {
      const value = this.immediate("push", operand, 64);
      const short = value >= -128 && value <= 127;
      this.put(short ? 0x6a : 0x68);
      return this.putInt(value, short ? 1 : 4);
    }
    if (operand.size !== 64 && !(operand.kind === "mem" && operand.size === null)) {
      return this.reject("push", operand);
    }
    if (operand.kind === "reg") return this.plusReg([0x50], operand, false);
    return this.modrm({ opcode: [0xff], size: 64, wide: false }, 6, operand);
  }

  pop(operand: Reg | Mem): this {
    if (operand.size !== 64 && !(operand.kind === "mem" && operand.size === null)) {
      return this.reject("pop", operand);
    }
    if (operand.kind === "reg") return this.plusReg([0x58], operand, false);
    return this.modrm({ opcode: [0x8f], size: 64, wide: false }, 0, operand);
  }
}

function operandSize(operand: Operand): Size | null {
  if (typeof operand === "number" || operand.kind === "imm") return null;
  return operand.size;
}

function isImmediate(operand: MoveOperand): operand is Imm | number {
  return typeof operand === "number" || operand.kind === "imm";
}

function isControl(operand: MoveOperand): operand is ControlReg {
  return typeof operand !== "number" && operand.kind === "cr";
}

function isReg64(operand: MoveOperand): operand is Reg {
  return typeof operand !== "number" && operand.kind === "reg" && operand.size === 64;
}

function isCl(operand: Reg | Mem): boolean {
  return operand.kind === "reg" && operand.size === 8 && operand.num === 1;
}

function immediateBytes(size: Size): number {
  return size === 8 ? 1 : size === 16 ? 2 : 4;
}
