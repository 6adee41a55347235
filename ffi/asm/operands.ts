import type { ControlReg, Reg, Size, Xmm } from "./registers.ts";

/** A segment whose base is added to an address. */
export type Segment = "fs" | "gs";

/** A memory operand. `label` makes it RIP-relative; then base and index are absent. */
export interface Mem {
  readonly kind: "mem";
  readonly base: Reg | null;
  readonly index: Reg | null;
  readonly scale: 1 | 2 | 4 | 8;
  readonly disp: number;
  readonly seg: Segment | null;
  readonly label: string | null;
  readonly size: Size | null;
}

/** An immediate operand. */
export interface Imm {
  readonly kind: "imm";
  readonly value: bigint;
}

/** What `mem` takes when more than base and displacement are wanted. */
export interface Address {
  base?: Reg;
  index?: Reg;
  scale?: 1 | 2 | 4 | 8;
  disp?: number;
  seg?: Segment;
}

/** Anything an integer instruction may take. A plain number stands for an immediate. */
export type Operand = Reg | Mem | Imm | number;

/** Anything `mov` may take. */
export type MoveOperand = Operand | ControlReg;

/** Any operand at all, for messages. */
export type AnyOperand = MoveOperand | Xmm;

/**
 * A memory operand: `mem(rdi, 8)`, or `mem({ base, index, scale, disp, seg })`. Without base and index it is an absolute
 * 32-bit address, useful with a segment.
 */
export function mem(base: Reg | Address, disp = 0): Mem {
  const address: Address = "kind" in base ? { base, disp } : base;
  const { index = null, scale = 1 } = address;
  const regs = [address.base, index].filter((r) => r !== undefined && r !== null);
  if (regs.some((r) => r.size !== 64)) {
    throw new Error(`asm: an address takes 64-bit registers, not ${regs.map((r) => r.name)}`);
  }
  if (index !== null && index.num === 4) throw new Error("asm: rsp can not be an index register");
  if (![1, 2, 4, 8].includes(scale)) throw new Error(`asm: scale ${scale} is none of 1, 2, 4, 8`);
  const d = address.disp ?? 0;
  if (!Number.isInteger(d) || d < -0x80000000 || d > 0x7fffffff) {
    throw new Error(`asm: displacement ${d} does not fit in 32 bits`);
  }
  return {
    kind: "mem",
    base: address.base ?? null,
    index,
    scale,
    disp: d,
    seg: address.seg ?? null,
    label: null,
    size: null,
  };
}

/** A memory operand at a label (plus `disp`), relative to the instruction pointer. */
export function rip(label: string, disp = 0): Mem {
  return { kind: "mem", base: null, index: null, scale: 1, disp, seg: null, label, size: null };
}

/** An immediate operand. */
export function imm(value: number | bigint): Imm {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new Error(`asm: immediate ${value} is not an exact integer; pass a bigint`);
  }
  return { kind: "imm", value: BigInt(value) };
}

function sized(operand: Mem, size: Size): Mem {
  return { ...operand, size };
}

/** The memory operand, one byte wide. */
export function byte(operand: Mem): Mem {
  return sized(operand, 8);
}

/** The memory operand, two bytes wide. */
export function word(operand: Mem): Mem {
  return sized(operand, 16);
}

/** The memory operand, four bytes wide. */
export function dword(operand: Mem): Mem {
  return sized(operand, 32);
}

/** The memory operand, eight bytes wide. */
export function qword(operand: Mem): Mem {
  return sized(operand, 64);
}

/** How an operand reads in an error message. */
export function describe(operand: AnyOperand | string): string {
  if (typeof operand === "number") return String(operand);
  if (typeof operand === "string") return `"${operand}"`;
  if (operand.kind === "imm") return String(operand.value);
  if (operand.kind !== "mem") return operand.name;
  const parts: string[] = [];
  if (operand.label !== null) parts.push(`rip+${operand.label}`);
  if (operand.base !== null) parts.push(operand.base.name);
  if (operand.index !== null) parts.push(`${operand.index.name}*${operand.scale}`);
  parts.push(String(operand.disp));
  const seg = operand.seg === null ? "" : `${operand.seg}:`;
  return `${operand.size ?? "?"}-bit ${seg}[${parts.join("+")}]`;
}
