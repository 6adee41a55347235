import assert from "node:assert/strict";
import {
  Assembler,
  byte,
  dataOffset,
  eax,
  edi,
  imm,
  mem,
  rax,
  rdi,
  rdx,
  rip,
  rsi,
  writeSharedObject,
  writeStaticExecutable,
} from "../../../../ffi/asm/mod.ts";

Deno.test("a shared object's exports are found and callable", async () => {
  const a = new Assembler();
  const names: string[] = [];
  for (let i = 0; i < 40; i++) {
    const name = `answer_${i}`;
    names.push(name);
    a.align(16).label(name).mov(eax, imm(i)).ret();
  }
  const { code, labels } = a.assemble();
  const file = writeSharedObject({ code, exports: Object.fromEntries(labels) });
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, file);
    const symbols: Record<string, Deno.ForeignFunction<[], "i32">> = {};
    for (const name of names) symbols[name] = { parameters: [], result: "i32" };
    const library = Deno.dlopen(path, symbols);
    names.forEach((name, i) => assert.equal(library.symbols[name](), i));
    library.close();
    assert.throws(() => Deno.dlopen(path, { absent: { parameters: [], result: "void" } }));
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a shared object's data segment is zero, writable and at its stated distance", async () => {
  const build = (distance: number) => {
    const a = new Assembler();
    a.label("count");
    // Relative to the start of the code, which is the label itself.
    a.lea(rax, rip("count", distance)).add(byte(mem(rax, 0x2fff)), imm(edi.num));
    return a.movzx(eax, byte(mem(rax, 0x2fff))).ret().assemble();
  };
  const { code } = build(dataOffset(build(0).code.length));
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(
      path,
      writeSharedObject({ code, exports: { count: 0 }, data: { size: 0x3000 } }),
    );
    const library = Deno.dlopen(path, { count: { parameters: [], result: "i32" } });
    assert.equal(library.symbols.count(), 7);
    assert.equal(library.symbols.count(), 14);
    library.close();
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("an export outside of the code is refused", () => {
  assert.throws(() => writeSharedObject({ code: new Uint8Array(4), exports: { x: 5 } }), /outside/);
});

Deno.test("a static executable runs, with its extra segments", async () => {
  const data = 0x500000;
  const a = new Assembler();
  a.db(0xcc).label("start");
  a.mov(rsi, imm(data)).mov(byte(mem(rsi, 2)), imm(0x21)).mov(rdx, imm(3));
  a.mov(edi, imm(1)).mov(eax, imm(1)).syscall();
  a.mov(rdi, mem(rsi, 0x1800)).add(rdi, imm(5)).mov(eax, imm(60)).syscall();
  const { code, labels } = a.assemble({ origin: 0x400000 });
  const file = writeStaticExecutable({
    code,
    entry: labels.get("start")!,
    vaddr: 0x400000,
    segments: [{
      vaddr: data,
      content: new TextEncoder().encode("hi?"),
      size: 0x2000,
      writable: true,
    }],
  });
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, file, { mode: 0o755 });
    await Deno.chmod(path, 0o755);
    const out = await new Deno.Command(path).output();
    assert.equal(new TextDecoder().decode(out.stdout), "hi!");
    assert.equal(out.code, 5);
  } finally {
    await Deno.remove(path);
  }
  assert.throws(() => writeStaticExecutable({ code, entry: code.length, vaddr: 0 }), /entry/);
  assert.throws(() => writeStaticExecutable({ code, entry: 0, vaddr: 8 }), /page-aligned/);
});
