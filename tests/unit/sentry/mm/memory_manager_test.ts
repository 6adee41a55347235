import assert from "node:assert/strict";
import { EACCES, EEXIST, EFAULT, EINVAL, EIO, ENOMEM } from "../../../../src/abi/errno.ts";
import { PageCache } from "../../../../src/sentry/mm/page_cache.ts";
import { VM_GROWSDOWN } from "../../../../src/sentry/mm/vma.ts";
import { RLIMIT_AS, RLIMIT_STACK } from "../../../../src/abi/resource.ts";
import { anon, fakeMemory, spaceOf } from "./fake_space.ts";

const PAGE = 4096;
const MB = 1 << 20;

Deno.test("small private memory is mapped by one operation and never faults", () => {
  const { mm, space } = fakeMemory();
  const at = anon(mm, 256 * 1024);
  assert.ok(at > 0);
  assert.deepEqual(space.log, [`map ${at.toString(16)} 64 3`]);
  assert.equal(space.store(mm, at + 5, 7), 0);
  assert.equal(space.load(mm, at + 5), 7);
  assert.equal(space.faults, 0);
  assert.equal(mm.readU8(at + 5), 7);
  assert.equal(mm.munmap(at, 256 * 1024), 0);
  assert.equal(mm.vmas.list.length, 0);
  assert.equal(mm.table.pages, 0);
});

Deno.test("large private memory comes by pieces that grow", () => {
  const { mm, space } = fakeMemory(256);
  const at = anon(mm, 64 * MB);
  for (let i = 0; i < 64 * MB; i += PAGE) assert.equal(space.store(mm, at + i, 1), 0);
  assert.ok(space.faults < 50, `${space.faults} faults`);
});

Deno.test("neighbouring mappings become one area", () => {
  const { mm } = fakeMemory();
  const a = anon(mm, 4 * PAGE);
  const b = anon(mm, 4 * PAGE);
  assert.equal(b, a - 4 * PAGE);
  assert.equal(mm.vmas.list.length, 1);
  assert.equal(mm.mprotect(a, PAGE, 1), 0);
  assert.equal(mm.vmas.list.length, 3);
  assert.equal(mm.mprotect(a, PAGE, 3), 0);
  assert.equal(mm.vmas.list.length, 1);
});

Deno.test("fixed mappings replace, and refuse where they are told to", () => {
  const { mm, space } = fakeMemory();
  const a = anon(mm, 4 * PAGE);
  space.store(mm, a + PAGE, 9);
  assert.equal(anon(mm, PAGE, 3, a + PAGE, 0x10), a + PAGE);
  assert.equal(space.load(mm, a + PAGE), 0);
  assert.equal(anon(mm, PAGE, 3, a, 0x100000), -EEXIST);
  assert.equal(anon(mm, PAGE, 3, a + 1, 0x10), -EINVAL);
  assert.equal(anon(mm, PAGE, 3, 0x7f060000, 0x10), -ENOMEM);
});

Deno.test("faults tell apart what is not mapped, not allowed and past the end of the file", () => {
  const { mm, space, frames } = fakeMemory();
  assert.equal(mm.handleFault(0, false, false), -EFAULT);
  const ro = anon(mm, PAGE, 1);
  assert.equal(mm.handleFault(ro, true, false), -EACCES);
  assert.equal(mm.handleFault(ro, false, true), -EACCES);
  assert.equal(space.load(mm, ro), 0);
  assert.equal(mm.writeU32(ro, 1), -EFAULT);
  const file = new PageCache(frames, null);
  file.size = 100;
  const at = mm.mmap({
    addr: 0,
    length: 3 * PAGE,
    prot: 3,
    flags: 1,
    file: null,
    offset: 0,
    source: file,
  });
  assert.equal(space.store(mm, at, 1), 0);
  assert.equal(space.store(mm, at + PAGE, 1), -EIO);
  file.truncate(0);
  assert.equal(space.load(mm, at), -EIO);
});

Deno.test("after fork each side writes to pages of its own", () => {
  const { mm, space, frames } = fakeMemory();
  const at = anon(mm, 64 * PAGE);
  for (let i = 0; i < 64; i++) space.store(mm, at + i * PAGE, i);
  const child = mm.fork();
  assert.ok(typeof child !== "number");
  const cs = spaceOf(child);
  assert.equal(cs.load(child, at + 3 * PAGE), 3);
  assert.equal(cs.load(child, at + 63 * PAGE), 63);
  assert.equal(cs.faults, 0, "the child starts with its pages mapped");
  assert.equal(cs.store(child, at + 3 * PAGE, 99), 0);
  assert.equal(space.load(mm, at + 3 * PAGE), 3);
  assert.equal(space.store(mm, at + 4 * PAGE, 55), 0);
  assert.equal(cs.load(child, at + 4 * PAGE), 4);
  child.writeU8(at + 20 * PAGE, 77);
  assert.equal(space.load(mm, at + 20 * PAGE), 20);
  assert.equal(cs.load(child, at + 20 * PAGE), 77);
  const before = space.faults;
  child.release();
  for (let i = 0; i < 64; i++) assert.equal(space.store(mm, at + i * PAGE, 1), 0);
  assert.ok(space.faults - before <= 3, `${space.faults - before} faults`);
  mm.release();
  assert.equal(frames.usedFrames, 0);
});

Deno.test("a fork with few written pages costs neither side a fault", () => {
  const { mm, space, frames } = fakeMemory();
  const at = anon(mm, 16 * PAGE);
  for (let i = 0; i < 16; i++) space.store(mm, at + i * PAGE, i);
  const child = mm.fork();
  assert.ok(typeof child !== "number");
  const cs = spaceOf(child);
  const before = space.faults;
  for (let i = 0; i < 16; i++) {
    assert.equal(cs.load(child, at + i * PAGE), i);
    assert.equal(cs.store(child, at + i * PAGE, 100 + i), 0);
    assert.equal(space.load(mm, at + i * PAGE), i);
    assert.equal(space.store(mm, at + i * PAGE, 200 + i), 0);
    assert.equal(cs.load(child, at + i * PAGE), 100 + i);
  }
  assert.equal(cs.faults, 0);
  assert.equal(space.faults, before);
  child.release();
  mm.release();
  assert.equal(frames.usedFrames, 0);
});

Deno.test("shared memory is seen by both sides of a fork", () => {
  const { mm, space } = fakeMemory();
  const at = mm.mmap({ addr: 0, length: 8 * PAGE, prot: 3, flags: 0x21, file: null, offset: 0 });
  space.store(mm, at, 1);
  const child = mm.fork();
  assert.ok(typeof child !== "number");
  spaceOf(child).store(child, at, 2);
  assert.equal(space.load(mm, at), 2);
  child.writeU32(at + 4, 42);
  assert.equal(mm.readU32(at + 4), 42);
  assert.equal(mm.futexKey(at, true), child.futexKey(at, true));
  assert.equal(mm.futexSpace, null);
  mm.release();
  assert.equal(spaceOf(child).load(child, at), 2);
  child.release();
  assert.equal(child.frames.usedFrames, 0);
});

Deno.test("private mappings of a file are copied on write and the cache is not touched", () => {
  const { mm, space, frames } = fakeMemory();
  const file = new PageCache(frames, {
    fill(index, count, memOffset) {
      for (let i = 0; i < count; i++) frames.memory[memOffset + i * PAGE] = index + i + 1;
      return count * PAGE;
    },
  });
  file.size = 40 * PAGE;
  const req = { addr: 0, prot: 3, flags: 2, file: null, offset: 0, source: file };
  const big = mm.mmap({ ...req, length: 40 * PAGE });
  assert.equal(space.load(mm, big + 7 * PAGE), 8);
  space.store(mm, big + 7 * PAGE, 200);
  assert.equal(space.load(mm, big + 7 * PAGE), 200);
  assert.equal(space.load(mm, big + 9 * PAGE), 10);
  const small = mm.mmap({ ...req, length: 2 * PAGE, offset: 7 * PAGE });
  assert.equal(space.load(mm, small), 8);
  assert.equal(small % PAGE, 0);
  file.drop(0, 40, false);
  assert.equal(space.load(mm, big + 7 * PAGE), 200, "private copies stay");
  file.truncate(0);
  assert.equal(space.load(mm, big + 7 * PAGE), -EIO);
  mm.release();
  assert.equal(frames.usedFrames, 0);
});

Deno.test("a stack grows down to its limit and not further", () => {
  const { mm, space } = fakeMemory();
  const top = 0x7fed00000000;
  mm.limits = mm.limits.slice();
  mm.limits[RLIMIT_STACK] = 1 * MB;
  const at = mm.mmap({
    addr: top - 4 * PAGE,
    length: 4 * PAGE,
    prot: 3,
    flags: 0x32,
    file: null,
    offset: 0,
    vmFlags: VM_GROWSDOWN,
    name: "[stack]",
  });
  assert.equal(at, top - 4 * PAGE);
  for (let a = top - 8; a > top - MB; a -= PAGE) assert.equal(space.store(mm, a, 1), 0);
  assert.equal(space.store(mm, top - MB - 1, 1), -EFAULT);
  assert.ok(space.faults < 12, `${space.faults}`);
});

Deno.test("mremap grows in place, moves, and keeps what was written", () => {
  const { mm, space } = fakeMemory();
  anon(mm, PAGE, 1);
  const a = anon(mm, 8 * PAGE);
  space.store(mm, a, 1);
  space.store(mm, a + 7 * PAGE, 8);
  assert.equal(mm.mremap(a, 8 * PAGE, 16 * PAGE, 0, 0), -ENOMEM);
  const b = mm.mremap(a, 8 * PAGE, 600 * PAGE, 1, 0);
  assert.ok(b > 0 && b !== a);
  assert.equal(space.load(mm, b), 1);
  assert.equal(space.load(mm, b + 7 * PAGE), 8);
  assert.equal(space.load(mm, b + 599 * PAGE), 0);
  assert.equal(space.load(mm, a), -EFAULT);
  assert.equal(mm.mremap(b, 600 * PAGE, 2 * PAGE, 0, 0), b);
  assert.equal(mm.mremap(b, 2 * PAGE, 3 * PAGE, 0, 0), b);
  assert.equal(space.load(mm, b + 2 * PAGE), 0);
  assert.equal(space.load(mm, b + 3 * PAGE), -EFAULT);
});

Deno.test("MADV_DONTNEED makes private memory zero again", () => {
  const { mm, space } = fakeMemory(128);
  const a = anon(mm, 16 * PAGE);
  space.store(mm, a + PAGE, 3);
  assert.equal(mm.madvise(a, 16 * PAGE, 4), 0);
  assert.equal(space.load(mm, a + PAGE), 0);
  const big = anon(mm, 8 * MB);
  space.store(mm, big, 3);
  assert.equal(mm.madvise(big, 8 * MB, 4), 0);
  assert.equal(space.load(mm, big), 0);
  assert.equal(mm.madvise(0x10000, PAGE, 4), -ENOMEM);
  assert.equal(mm.madvise(a, PAGE, 77), -EINVAL);
});

Deno.test("brk grows and shrinks the heap", () => {
  const { mm, space } = fakeMemory();
  mm.brkStart = mm.brk = 0x555555600000;
  assert.equal(mm.setBrk(0), 0x555555600000);
  assert.equal(mm.setBrk(mm.brkStart + 135168), mm.brkStart + 135168);
  space.store(mm, mm.brkStart + 100, 5);
  assert.equal(mm.setBrk(mm.brkStart + 300000), mm.brkStart + 300000);
  assert.equal(space.load(mm, mm.brkStart + 100), 5);
  assert.equal(mm.vmas.list.length, 1);
  assert.equal(mm.setBrk(mm.brkStart), mm.brkStart);
  assert.equal(space.load(mm, mm.brkStart + 100), -EFAULT);
  assert.equal(mm.setBrk(mm.brkStart + (1 << 30) * 64), mm.brkStart);
});

Deno.test("a program that maps and touches without end runs out of its own memory", () => {
  const { mm, space, frames } = fakeMemory(16);
  let r = 0;
  for (let i = 0; i < 100 && r >= 0; i++) {
    const a = anon(mm, 2 * MB);
    if (a < 0) {
      r = a;
      break;
    }
    for (let p = 0; p < 2 * MB && r >= 0; p += PAGE) r = space.store(mm, a + p, 1);
  }
  assert.equal(r, -ENOMEM);
  mm.release();
  assert.equal(frames.usedFrames, 0);
});

Deno.test("limits of the address space hold", () => {
  const { mm } = fakeMemory();
  mm.limits = mm.limits.slice();
  mm.limits[RLIMIT_AS] = 10 * PAGE;
  assert.ok(anon(mm, 8 * PAGE) > 0);
  assert.equal(anon(mm, 4 * PAGE), -ENOMEM);
});

Deno.test("strings and numbers cross pages", () => {
  const { mm } = fakeMemory();
  const a = anon(mm, 2 * PAGE);
  const text = "x".repeat(100);
  const bytes = new TextEncoder().encode(text + "\0");
  assert.equal(mm.copyOut(a + PAGE - 50, bytes, 0, bytes.length), 0);
  assert.equal(mm.readString(a + PAGE - 50, 4096), text);
  mm.writeU64(a + PAGE - 3, 0x1122334455667);
  assert.equal(mm.readU64(a + PAGE - 3), 0x1122334455667);
  mm.writeU64(a + 8, -2);
  assert.equal(mm.readU32(a + 8), 0xfffffffe);
  assert.equal(mm.readString(a + 2 * PAGE - 2, 4096), "");
  mm.writeU8(a + 2 * PAGE - 1, 65);
  assert.equal(mm.readString(a + 2 * PAGE - 1, 4096), -EFAULT);
});

Deno.test("50,000 areas stay cheap", () => {
  const { mm } = fakeMemory(16);
  const base = anon(mm, 50_000 * 2 * PAGE, 0);
  for (let i = 0; i < 25_000; i++) assert.equal(mm.mprotect(base + i * 2 * PAGE, PAGE, 1), 0);
  assert.ok(mm.vmas.list.length >= 50_000);
  for (let i = 0; i < 2000; i++) {
    const a = anon(mm, PAGE, 0, 0, 0x100);
    assert.ok(a > 0);
    mm.munmap(a, PAGE);
  }
});
