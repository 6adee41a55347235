import assert from "node:assert/strict";
import { STUB_CLONE_FLAGS, stubFilter } from "../../../../ffi/stub/filter.ts";
import * as L from "../../../../ffi/stub/layout.ts";
import { SEED_CLONE_FLAGS } from "../../../../ffi/stub/seed.ts";
import { runFilter } from "../bpf_interpreter.ts";

const ARCH = 0xc000003e;
const KILL = 0x80000000;
const TRAP = 0x00030000;
const ALLOW = 0x7fff0000;
const filter = stubFilter();

function decide(ip: number, nr: number, ...args: number[]): number {
  const six = [0, 1, 2, 3, 4, 5].map((i) => BigInt(args[i] ?? 0) & 0xffffffffffffffffn);
  return runFilter(filter, { nr, arch: ARCH, ip: BigInt(ip), args: six });
}

const STUB = L.STUB_BASE + 0x123;
const SEED = L.SEED_TEXT + 0x45;

Deno.test("the filter traps every system call from outside of the stub", () => {
  for (const ip of [0x400000, 0x7f0000001000, L.STUB_BASE - 2, L.STUB_BASE + L.STUB_TEXT_SIZE]) {
    for (const nr of [0, 1, 9, 56, 59, 202, 231, 0x40000001]) {
      assert.equal(decide(ip, nr), TRAP, `${nr} at ${ip.toString(16)}`);
    }
  }
});

Deno.test("the filter admits what the stub needs", () => {
  assert.equal(decide(STUB, 202, L.SLOTS_ADDRESS, 0, 1), ALLOW); // futex wait
  assert.equal(decide(STUB, 15), ALLOW); // rt_sigreturn
  assert.equal(decide(STUB, 9, 0x400000, 4096, 5, 0x11, L.FD_MEMORY, 0), ALLOW); // mmap
  assert.equal(decide(STUB, 10, 0x400000, 4096, 1), ALLOW); // mprotect
  assert.equal(decide(STUB, 11, 0, 0x7feefffff000), ALLOW); // munmap of all
  assert.equal(decide(STUB, 11, L.SEED_TEXT, L.SEED_SPAN), ALLOW);
  assert.equal(decide(STUB, 1, L.FD_WAKE, 0, 8), ALLOW);
  assert.equal(decide(STUB, 56, STUB_CLONE_FLAGS), ALLOW);
});

Deno.test("the filter kills a stub that wants more", () => {
  const rows: [string, number, ...number[]][] = [
    ["open", 2],
    ["execve", 59],
    ["tgkill", 234, 1, 1, 9],
    ["ptrace", 101],
    ["futex wake", 202, 0, 1, 1],
    ["mmap of another descriptor", 9, 0x400000, 4096, 3, 0x11, L.FD_CONTROL, 0],
    ["private mmap", 9, 0x400000, 4096, 3, 0x12, L.FD_MEMORY, 0],
    ["mmap over the stub", 9, L.STUB_BASE, 4096, 3, 0x11, L.FD_MEMORY, 0],
    ["mmap into the stub", 9, 0x400000, L.STUB_BASE, 3, 0x11, L.FD_MEMORY, 0],
    ["mprotect of the stub", 10, L.STUB_BASE, 4096, 7],
    ["munmap of the slots", 11, L.SLOTS_ADDRESS, 4096],
    ["munmap that wraps", 11, 0x400000, -4096],
    ["write elsewhere", 1, 1, 0, 8],
    ["fork", 56, 17],
    ["clone without sharing", 56, STUB_CLONE_FLAGS & ~0x100],
    ["arch_prctl of something else", 158, 0x1003],
  ];
  for (const [name, nr, ...args] of rows) assert.equal(decide(STUB, nr, ...args), KILL, name);
});

Deno.test("the filter lets the seed fork and map control memory only", () => {
  assert.equal(decide(SEED, 56, SEED_CLONE_FLAGS), ALLOW);
  assert.equal(decide(SEED, 9, L.SLOTS_ADDRESS, L.CHUNK_SIZE, 3, 0x11, L.FD_CONTROL, 0), ALLOW);
  assert.equal(decide(SEED, 9, 0, 4096, 3, 0x11, L.FD_MEMORY, 0), KILL);
  assert.equal(decide(SEED, 59), KILL);
  assert.equal(decide(SEED, 157, 38), KILL);
});

Deno.test("the filter kills what is not of this architecture", () => {
  const six = [0n, 0n, 0n, 0n, 0n, 0n];
  const data = { nr: 202, arch: 0x40000003, ip: BigInt(STUB), args: six };
  assert.equal(runFilter(filter, data), KILL);
});
