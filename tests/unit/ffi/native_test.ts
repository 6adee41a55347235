import assert from "node:assert/strict";
import {
  Assembler,
  dword,
  eax,
  imm,
  mem,
  rax,
  rdi,
  rip,
  rsi,
  writeSharedObject,
} from "../../../ffi/asm/mod.ts";
import { hostSymbol, loadNative, NATIVE_DATA, NativeImage } from "../../../ffi/native.ts";

Deno.test("a shared object in memory is opened and called", () => {
  const { code } = new Assembler().lea(rax, mem({ base: rdi, index: rsi })).ret().assemble();
  const file = writeSharedObject({ code, exports: { sum: 0 } });
  const { sum } = loadNative("sum", file, { sum: { parameters: ["i32", "i32"], result: "i32" } });
  assert.equal(sum(40, 2), 42);
});

Deno.test("images do not hide each other", () => {
  for (let i = 0; i < 3; i++) {
    const image = new NativeImage("answer")
      .add("answer", (a) => a.mov(eax, imm(i)).ret(), { parameters: [], result: "i32" });
    assert.equal(image.load().answer(), i);
  }
});

Deno.test("pieces of an image call each other, share data and are bound when wanted", () => {
  const base = new NativeImage("pieces");
  const at = base.data(8);
  const image = base
    .add("count", (a) => a.inc(dword(rip(NATIVE_DATA, at))).mov(eax, rip(NATIVE_DATA, at)).ret(), {
      parameters: [],
      result: "i32",
    })
    .add("twice", (a) => a.call("count").call("count").ret(), {
      parameters: [],
      result: "i32",
      cold: true,
    })
    .add("first", (a) => a.mov(rax, mem(rdi)).ret(), {
      parameters: ["buffer"],
      result: "u64",
      cold: true,
    });
  const { count } = image.load(["count"]);
  assert.equal(count(), 1);
  const { twice, first } = image.load();
  assert.equal(twice(), 3);
  assert.equal(count(), 4);
  assert.equal(first(new BigUint64Array([7n])), 7n);
  assert.throws(
    () => image.add("late", (a) => a.ret(), { parameters: [], result: "void" }),
    /open/,
  );
});

Deno.test("symbols of the host's C library have addresses", () => {
  assert.ok(hostSymbol("clock_gettime") > 0);
  assert.equal(hostSymbol("no_such_symbol_at_all"), 0);
});
