import assert from "node:assert/strict";
import * as asm from "../../../../ffi/asm/mod.ts";
import { Assembler, byte, dword, imm, mem, qword, rip, word } from "../../../../ffi/asm/mod.ts";
import { INSTRUCTIONS } from "./instructions.ts";

const { rax, rbx, rcx, rdi, rsi, eax, ax, al, cl, r8, r12, r13 } = asm;

function hex(build: (a: Assembler) => void, origin = 0): string {
  const a = new Assembler();
  build(a);
  return a.assemble({ origin }).code.toHex();
}

Deno.test("common instructions have their known encodings", () => {
  assert.equal(hex((a) => a.mov(eax, imm(39)).syscall().ret()), "b8270000000f05c3");
  assert.equal(hex((a) => a.mov(rax, imm(39))), "48c7c027000000");
  assert.equal(hex((a) => a.mov(rax, imm(0xffffffff))), "b8ffffffff");
  assert.equal(hex((a) => a.mov(rax, imm(0x123456789a))), "48b89a78563412000000");
  assert.equal(hex((a) => a.movabs(rax, -1)), "48b8ffffffffffffffff");
  assert.equal(hex((a) => a.mov(rax, rbx)), "4889d8");
  assert.equal(hex((a) => a.mov(mem(rdi, 8), rax)), "48894708");
  assert.equal(hex((a) => a.mov(dword(mem(rdi)), imm(1))), "c70701000000");
  assert.equal(hex((a) => a.mov(rax, mem({ seg: "gs", disp: 0x18 }))), "65488b042518000000");
  assert.equal(
    hex((a) => a.mov(rax, mem({ base: rdi, index: rcx, scale: 8, disp: 16 }))),
    "488b44cf10",
  );
  assert.equal(hex((a) => a.mov(rax, mem(r12))), "498b0424");
  assert.equal(hex((a) => a.mov(rax, mem(r13))), "498b4500");
});

Deno.test("labels resolve forwards, backwards and past a trailing immediate", () => {
  assert.equal(hex((a) => a.label("x").jmp("x")), "e9fbffffff");
  assert.equal(hex((a) => a.je("x").nop().label("x").ret()), "0f840100000090c3");
  assert.equal(
    hex((a) => a.cmp(dword(rip("x")), imm(0x1234)).label("x")),
    "813d0000000034120000",
  );
  assert.equal(hex((a) => a.lea(rax, rip("x", 4)).label("x")), "488d0504000000");
  assert.equal(hex((a) => a.label("x").nop().dqLabel("x", 2), 0x400000), "900200400000000000");
  const { labels } = new Assembler().nop(3).label("here").assemble();
  assert.equal(labels.get("here"), 3);
});

Deno.test("data directives emit little-endian bytes", () => {
  assert.equal(
    hex((a) => a.db(1, -1).dd(0x01020304).dq(1n << 63n)),
    "01ff040302010000000000000080",
  );
  assert.equal(hex((a) => a.ascii("ab").align(4, 0).db(7)), "6162000007");
  assert.equal(hex((a) => a.nop(11)), "660f1f8400000000006690");
});

Deno.test("unencodable forms are refused with a reason", () => {
  const cases: [RegExp, (a: Assembler) => void][] = [
    [/unknown/, (a) => a.mov(mem(rdi), imm(1))],
    [/unequal widths/, (a) => a.mov(rax, eax)],
    [/unequal widths/, (a) => a.add(dword(mem(rdi)), rax)],
    [/can not encode mov/, (a) => a.mov(qword(mem(rdi)), qword(mem(rsi)))],
    [/does not fit/, (a) => a.add(rax, imm(0x80000000))],
    [/does not fit/, (a) => a.mov(qword(mem(rdi)), imm(0x80000000))],
    [/does not fit/, (a) => a.mov(al, imm(256))],
    [/64-bit registers/, (a) => a.mov(rax, mem(eax))],
    [/index/, (a) => a.mov(rax, mem({ base: rax, index: asm.rsp }))],
    [/can not encode push/, (a) => a.push(eax)],
    [/can not encode movzx/, (a) => a.movzx(rax, eax)],
    [/can not encode shl/, (a) => a.shl(rax, rbx)],
    [/can not encode lea/, (a) => a.lea(al, mem(rdi))],
    [/not within/, (a) => a.shl(rax, 64)],
    [/defined twice/, (a) => a.label("x").label("x")],
    [/"y" is not defined/, (a) => a.jmp("y").assemble()],
    [/not an exact integer/, (a) => a.mov(rax, 2 ** 53)],
    [/no byte/, (a) => a.db(256)],
  ];
  for (const [pattern, build] of cases) assert.throws(() => build(new Assembler()), pattern);
  new Assembler().mov(byte(mem(rdi)), imm(255)).mov(word(mem(r8)), ax).shl(rax, cl);
});

async function run(command: string, args: string[]): Promise<string> {
  const out = await new Deno.Command(command, { args }).output();
  assert.ok(out.success, new TextDecoder().decode(out.stderr));
  return new TextDecoder().decode(out.stdout);
}

function hasBinutils(): boolean {
  try {
    for (const tool of ["as", "objdump", "objcopy"]) {
      new Deno.Command(tool, { args: ["--version"], stdout: "null" }).outputSync();
    }
    return true;
  } catch {
    return false;
  }
}

/** Disassembles, one line an instruction; the text is free of addresses and bytes. */
async function disassemble(file: string, flags: string[]): Promise<Map<number, string>> {
  const text = await run("objdump", [
    ...flags,
    "-D",
    "-z",
    "--no-show-raw-insn",
    "-Mintel,x86-64",
    file,
  ]);
  const lines = new Map<number, string>();
  for (const line of text.split("\n")) {
    const match = /^\s*([0-9a-f]+):\s+(.*)$/.exec(line);
    if (match === null) continue;
    lines.set(parseInt(match[1], 16), match[2].replace(/\s+/g, " ").trim());
  }
  return lines;
}

Deno.test("instructions disassemble to what the GNU assembler makes of the same text", async (t) => {
  if (!hasBinutils()) {
    console.log("skipped: GNU as, objdump and objcopy are not installed");
    return;
  }
  const dir = await Deno.makeTempDir();
  try {
    // Each instruction starts at a multiple of 16, so that lengths may differ.
    const a = new Assembler();
    const source = [".intel_syntax noprefix"];
    for (const [text, build] of INSTRUCTIONS) {
      a.align(16);
      build(a);
      source.push(".balign 16, 0x90", text);
    }
    await Deno.writeTextFile(`${dir}/ref.s`, source.join("\n") + "\n");
    await Deno.writeFile(`${dir}/ours.bin`, a.assemble().code);
    await run("as", ["--64", "-o", `${dir}/ref.o`, `${dir}/ref.s`]);
    await run("objcopy", ["-O", "binary", "-j", ".text", `${dir}/ref.o`, `${dir}/ref.bin`]);
    const raw = ["-b", "binary", "-m", "i386:x86-64"];
    const ours = await disassemble(`${dir}/ours.bin`, raw);
    const reference = await disassemble(`${dir}/ref.bin`, raw);
    for (let i = 0; i < INSTRUCTIONS.length; i++) {
      const want = reference.get(i * 16);
      assert.ok(want !== undefined && want !== "(bad)", INSTRUCTIONS[i][0]);
      assert.equal(ours.get(i * 16), want, INSTRUCTIONS[i][0]);
    }
    await t.step(`${INSTRUCTIONS.length} instructions compared`, () => {});
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
