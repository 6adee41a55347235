/** Classic BPF as seccomp(2) has it: checking a program (kernel/seccomp.c, net/core/filter.c) and running it. */

import * as B from "../../abi/bpf.ts";

/** One instruction: what to do, where to jump if a condition holds or does not, and the operand. */
export interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

/** Size of struct seccomp_data, which is all that a program can load from. */
const DATA_SIZE = 64;
const WORD = B.BPF_LD | B.BPF_W;

/** Instructions that a program may be made of. */
const ALLOWED: ReadonlySet<number> = new Set([
  WORD | B.BPF_ABS,
  WORD | B.BPF_LEN,
  B.BPF_LDX | B.BPF_W | B.BPF_LEN,
  B.BPF_LD | B.BPF_IMM,
  B.BPF_LDX | B.BPF_IMM,
  B.BPF_LD | B.BPF_MEM,
  B.BPF_LDX | B.BPF_MEM,
  B.BPF_ST,
  B.BPF_STX,
  B.BPF_RET | B.BPF_K,
  B.BPF_RET | B.BPF_A,
  B.BPF_MISC | B.BPF_TAX,
  B.BPF_MISC | B.BPF_TXA,
  B.BPF_ALU | B.BPF_NEG,
  B.BPF_JMP | B.BPF_JA,
  ...[B.BPF_ADD, B.BPF_SUB, B.BPF_MUL, B.BPF_DIV, B.BPF_AND, B.BPF_OR, B.BPF_XOR, B.BPF_LSH]
    .concat(B.BPF_RSH).flatMap((op) => [B.BPF_ALU | op | B.BPF_K, B.BPF_ALU | op | B.BPF_X]),
  ...[B.BPF_JEQ, B.BPF_JGT, B.BPF_JGE, B.BPF_JSET]
    .flatMap((op) => [B.BPF_JMP | op | B.BPF_K, B.BPF_JMP | op | B.BPF_X]),
]);

/** Whether the kernel would take a program: it ends, stays within itself and its data, and reads nothing it did not write. */
export function isValid(program: readonly Instruction[]): boolean {
  const length = program.length;
  if (length === 0 || length > B.BPF_MAXINSNS) return false;
  for (let pc = 0; pc < length; pc++) {
    const { code, jt, jf, k } = program[pc];
    if (!ALLOWED.has(code)) return false;
    const left = length - pc - 1;
    switch (code) {
      case WORD | B.BPF_ABS:
        if (k >= DATA_SIZE || (k & 3) !== 0) return false;
        break;
      case B.BPF_ALU | B.BPF_DIV | B.BPF_K:
        if (k === 0) return false;
        break;
      case B.BPF_ALU | B.BPF_LSH | B.BPF_K:
      case B.BPF_ALU | B.BPF_RSH | B.BPF_K:
        if (k >= 32) return false;
        break;
      case B.BPF_LD | B.BPF_MEM:
      case B.BPF_LDX | B.BPF_MEM:
      case B.BPF_ST:
      case B.BPF_STX:
        if (k >= B.BPF_MEMWORDS) return false;
        break;
      case B.BPF_JMP | B.BPF_JA:
        if (k >= left) return false;
        break;
      default:
        if ((code & 7) === B.BPF_JMP && (jt >= left || jf >= left)) return false;
    }
  }
  return (program[length - 1].code & 7) === B.BPF_RET && storesBeforeLoads(program);
}

/** Whether every way to a load of scratch memory stores to that word first. Jumps go forward only. */
function storesBeforeLoads(program: readonly Instruction[]): boolean {
  const masks = new Uint16Array(program.length).fill(0xffff);
  let stored = 0;
  for (let pc = 0; pc < program.length; pc++) {
    const { code, jt, jf, k } = program[pc];
    stored &= masks[pc];
    if (code === B.BPF_ST || code === B.BPF_STX) stored |= 1 << k;
    else if (code === (B.BPF_LD | B.BPF_MEM) || code === (B.BPF_LDX | B.BPF_MEM)) {
      if ((stored & 1 << k) === 0) return false;
    } else if (code === (B.BPF_JMP | B.BPF_JA)) {
      masks[pc + 1 + k] &= stored;
      stored = 0xffff;
    } else if ((code & 7) === B.BPF_JMP) {
      masks[pc + 1 + jt] &= stored;
      masks[pc + 1 + jf] &= stored;
      stored = 0xffff;
    }
  }
  return true;
}

/** What programs read of a system call, in words of 32 bits: number, architecture, instruction pointer, arguments. */
export class SeccompWords {
  readonly words: Uint32Array = new Uint32Array(DATA_SIZE / 4);
  /** Whether a program has read more than number and architecture. */
  looked = false;
}

const scratch = new Uint32Array(B.BPF_MEMWORDS);

/** A checked program. */
export class BpfProgram {
  readonly length: number;
  readonly #code: Uint16Array;
  readonly #jt: Uint8Array;
  readonly #jf: Uint8Array;
  readonly #k: Uint32Array;

  /** `program` must be valid. */
  constructor(program: readonly Instruction[]) {
    this.length = program.length;
    this.#code = Uint16Array.from(program, (i) => i.code);
    this.#jt = Uint8Array.from(program, (i) => i.jt);
    this.#jf = Uint8Array.from(program, (i) => i.jf);
    this.#k = Uint32Array.from(program, (i) => i.k);
  }

  /** What the program returns, as an unsigned number. */
  run(data: SeccompWords): number {
    const codes = this.#code;
    let a = 0;
    let x = 0;
    for (let pc = 0;; pc++) {
      const k = this.#k[pc];
      const code = codes[pc];
      const operand = (code & B.BPF_X) !== 0 ? x : k;
      switch (code & 7) {
        case B.BPF_LD:
          if (code === (WORD | B.BPF_ABS)) {
            if (k >= 8) data.looked = true;
            a = data.words[k >> 2];
          } else if (code === (WORD | B.BPF_LEN)) a = DATA_SIZE;
          else a = code === (B.BPF_LD | B.BPF_MEM) ? scratch[k] : k;
          break;
        case B.BPF_LDX:
          if (code === (B.BPF_LDX | B.BPF_W | B.BPF_LEN)) x = DATA_SIZE;
          else x = code === (B.BPF_LDX | B.BPF_MEM) ? scratch[k] : k;
          break;
        case B.BPF_ST:
          scratch[k] = a;
          break;
        case B.BPF_STX:
          scratch[k] = x;
          break;
        case B.BPF_ALU:
          if ((code & 0xf0) === B.BPF_DIV && operand === 0) return 0;
          a = calculate(code & 0xf0, a, operand);
          break;
        case B.BPF_JMP:
          if ((code & 0xf0) === B.BPF_JA) pc += k;
          else pc += holds(code & 0xf0, a, operand) ? this.#jt[pc] : this.#jf[pc];
          break;
        case B.BPF_RET:
          return code === (B.BPF_RET | B.BPF_A) ? a : k;
        case B.BPF_MISC:
          if (code === (B.BPF_MISC | B.BPF_TXA)) a = x;
          else x = a;
      }
    }
  }
}

function calculate(operation: number, a: number, b: number): number {
  switch (operation) {
    case B.BPF_ADD:
      return (a + b) >>> 0;
    case B.BPF_SUB:
      return (a - b) >>> 0;
    case B.BPF_MUL:
      return Math.imul(a, b) >>> 0;
    case B.BPF_DIV:
      return Math.floor(a / b);
    case B.BPF_AND:
      return (a & b) >>> 0;
    case B.BPF_OR:
      return (a | b) >>> 0;
    case B.BPF_XOR:
      return (a ^ b) >>> 0;
    case B.BPF_LSH:
      return (a << (b & 31)) >>> 0;
    case B.BPF_RSH:
      return a >>> (b & 31);
    default:
      return -a >>> 0;
  }
}

function holds(operation: number, a: number, b: number): boolean {
  switch (operation) {
    case B.BPF_JEQ:
      return a === b;
    case B.BPF_JGT:
      return a > b;
    case B.BPF_JGE:
      return a >= b;
    default:
      return (a & b) !== 0;
  }
}
