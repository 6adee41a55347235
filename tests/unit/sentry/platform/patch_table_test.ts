import assert from "node:assert/strict";
import * as L from "../../../../ffi/stub/layout.ts";
import {
  Reg,
  RegisterFile,
  RESERVED_LOW_START,
  type TextMemory,
} from "../../../../src/sentry/platform/platform.ts";
import {
  type FramePool,
  type PatchHost,
  PatchTable,
} from "../../../../src/sentry/platform/systrap/patch_table.ts";

const TEXT = 0x7f0000401000;

/** Kernel memory whose frame 1 holds the application's page at TEXT. */
class Fixture implements FramePool, PatchHost, TextMemory {
  readonly memory = new Uint8Array(4096 * 64);
  readonly freed: number[] = [];
  readonly redirected: [number, number][] = [];
  readonly maps: number[][] = [];
  readonly textMemory = this;
  #next = 2;

  alloc(count: number): number {
    const first = this.#next;
    this.#next += count;
    return first;
  }

  ref(): void {}

  unref(first: number, count: number): void {
    this.freed.push(first, count);
  }

  map(...args: number[]): void {
    this.maps.push(args);
  }

  redirect(from: number, to: number): void {
    this.redirected.push([from, to]);
  }

  readText(addr: number, dst: Uint8Array): boolean {
    const at = 4096 + addr - TEXT;
    dst.set(this.memory.subarray(at, at + dst.length));
    return true;
  }

  ownText(addr: number): number {
    return 4096 + addr - TEXT;
  }

  put(offset: number, ...bytes: number[]): number {
    this.memory.set(bytes, 4096 + offset);
    return TEXT + offset;
  }

  get(offset: number, length: number): number[] {
    return [...this.memory.subarray(4096 + offset, 4096 + offset + length)];
  }
}

function table(f: Fixture): PatchTable {
  return new PatchTable(f, f, L.STUB_BASE);
}

Deno.test("mov $nr,%eax; syscall becomes a jump whose tail is an invalid instruction", () => {
  const f = new Fixture();
  const t = table(f);
  const at = f.put(16, 0xb8, 0x11, 0, 0, 0, 0x0f, 0x05, 0xc3);
  assert.ok(t.patch(at + 5, 0x11));
  const code = f.get(16, 8);
  assert.deepEqual(code.slice(0, 3), [0xff, 0x24, 0x25]);
  assert.equal(code[5], 0x06); // #UD in 64-bit mode, where the old syscall began
  assert.equal(code[7], 0xc3);
  assert.ok(t.resumePatched(at));
  assert.equal(t.siteBefore(at + 7), at);
});

Deno.test("a site whose bytes only look like a mov is left alone", () => {
  const f = new Fixture();
  const at = f.put(16, 0xb8, 0x11, 0, 0, 0, 0x0f, 0x05, 0xc3);
  assert.equal(table(f).patch(at + 5, 0x12), false);
  assert.deepEqual(f.get(16, 2), [0xb8, 0x11]);
});

Deno.test("syscall; cmp $-4095,%rax is patched, and threads right behind it are moved", () => {
  const f = new Fixture();
  const t = table(f);
  const at = f.put(32, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0x73);
  assert.ok(t.patch(at, 1000));
  const landing = t.landingFor(at + 2);
  assert.notEqual(landing, at + 2);
  assert.deepEqual(f.redirected, [[at + 2, landing]]);
  assert.equal(t.siteBefore(at + 8), at);
  const regs = new RegisterFile();
  regs.set(Reg.RIP, landing);
  regs.set(Reg.RAX, -38);
  t.translate(regs);
  assert.equal(regs.get(Reg.RIP), at + 8);
  assert.equal(regs.get(Reg.EFLAGS) & 1, 0); // not below -4095: an error
  regs.set(Reg.RIP, landing);
  regs.set(Reg.RAX, 5);
  t.translate(regs);
  assert.equal(regs.get(Reg.EFLAGS) & 1, 1);
});

Deno.test("a site across two pages is left alone", () => {
  const f = new Fixture();
  const at = f.put(4096 - 9, 0x90, 0x90, 0x90, 0xb8, 0x11, 0, 0, 0, 0x0f);
  f.memory[8192] = 0x05;
  assert.equal(table(f).patch(at + 8, 0x11), false);
});

Deno.test("a forked address space keeps its own copy once either patches", () => {
  const f = new Fixture();
  const parent = table(f);
  const first = f.put(16, 0xb8, 0x11, 0, 0, 0, 0x0f, 0x05, 0xc3);
  const second = f.put(64, 0xb8, 0x12, 0, 0, 0, 0x0f, 0x05, 0xc3);
  assert.ok(parent.patch(first + 5, 0x11));
  const child = table(f);
  child.inherit(parent);
  assert.equal(child.siteBefore(first + 7), first);
  assert.ok(child.patch(second + 5, 0x12));
  assert.equal(parent.siteBefore(second + 7), second + 5);
  assert.equal(child.siteBefore(second + 7), second);
  assert.equal(f.maps.at(-1)![0], RESERVED_LOW_START);
  child.clear();
  parent.clear();
  assert.equal(f.freed.length, 4);
});

Deno.test("a site is tried after a few traps, and not for ever", () => {
  const t = table(new Fixture());
  const tries = Array.from({ length: 2000 }, () => t.hit(TEXT)).filter(Boolean).length;
  assert.ok(tries > 0 && tries < 100);
  assert.equal(t.hit(TEXT + 64), false);
  t.disabled = true;
  assert.equal(t.hit(TEXT + 64), false);
});
