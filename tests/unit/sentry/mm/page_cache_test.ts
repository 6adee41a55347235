import assert from "node:assert/strict";
import { EIO, ENOSPC } from "../../../../src/abi/errno.ts";
import { FrameAllocator } from "../../../../src/sentry/mm/frames.ts";
import { KernelIo } from "../../../../src/sentry/mm/io_buffer.ts";
import { PageCache } from "../../../../src/sentry/mm/page_cache.ts";

const PAGE = 4096;

function setup(pages = 4096) {
  const frames = FrameAllocator.create(pages * PAGE);
  const io = new KernelIo(frames.memory);
  const write = (c: PageCache, pos: number, bytes: Uint8Array) =>
    c.write(io.reset(bytes, 0, bytes.length), pos, bytes.length);
  const read = (c: PageCache, pos: number, length: number) => {
    const out = new Uint8Array(length);
    const n = c.read(io.reset(out, 0, length), pos, length);
    return n < 0 ? n : out.subarray(0, n);
  };
  return { frames, write, read };
}

Deno.test("what is written in pieces of any size is read back", () => {
  const { frames, write, read } = setup();
  const cache = new PageCache(frames, null);
  const model = new Uint8Array(300_000);
  let seed = 7;
  const below = (n: number) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % n;
  let end = 0;
  for (let i = 0; i < 300; i++) {
    const pos = below(250_000);
    const bytes = new Uint8Array(1 + below(below(4) === 0 ? 40_000 : 3000)).fill(1 + below(255));
    model.set(bytes, pos);
    end = Math.max(end, pos + bytes.length);
    assert.equal(write(cache, pos, bytes), bytes.length);
  }
  assert.equal(cache.size, end);
  assert.deepEqual(read(cache, 0, 400_000), model.subarray(0, end));
  cache.truncate(100_001);
  model.fill(0, 100_001);
  cache.truncate(200_000);
  assert.deepEqual(read(cache, 0, 400_000), model.subarray(0, 200_000));
  cache.punch(5000, 20_000);
  model.fill(0, 5000, 25_000);
  assert.deepEqual(read(cache, 0, 400_000), model.subarray(0, 200_000));
  cache.release();
  assert.equal(frames.usedFrames, 0);
});

Deno.test("holes read as zeros, take no pages and can be found", () => {
  const { frames, write, read } = setup();
  const cache = new PageCache(frames, null);
  write(cache, 3 * PAGE * 512, new Uint8Array(10).fill(9));
  assert.equal(cache.present, 1);
  assert.deepEqual(read(cache, 100, 3), new Uint8Array(3));
  assert.equal(cache.seekData(0, true), 3 * PAGE * 512);
  assert.equal(cache.seekData(0, false), 0);
  assert.equal(cache.seekData(3 * PAGE * 512, false), cache.size);
  assert.equal(cache.getPage(3 * 512 + 1, false), -EIO);
});

Deno.test("a quota stops a write where it is used up", () => {
  const { frames, write } = setup();
  let left = 3;
  const quota = {
    charge: (n: number) => n <= left && ((left -= n), true),
    uncharge: (n: number) => void (left += n),
  };
  const cache = new PageCache(frames, null, quota);
  assert.equal(write(cache, 0, new Uint8Array(5 * PAGE)), 3 * PAGE);
  assert.equal(cache.size, 3 * PAGE);
  assert.equal(write(cache, 3 * PAGE, new Uint8Array(1)), -ENOSPC);
  cache.truncate(PAGE);
  assert.equal(left, 2);
});

Deno.test("pages of a file are read once, written back when dirty, and given up when memory is short", () => {
  const { frames, write, read } = setup(64);
  const host = new Uint8Array(40 * PAGE).map((_, i) => i / PAGE);
  let fills = 0;
  const filler = {
    fill(index: number, count: number, memOffset: number) {
      fills++;
      const part = host.subarray(index * PAGE, (index + count) * PAGE);
      frames.memory.set(part, memOffset);
      return part.length;
    },
    flush(index: number, memOffset: number, length: number) {
      host.set(frames.memory.subarray(memOffset, memOffset + length), index * PAGE);
      return 0;
    },
  };
  const cache = new PageCache(frames, filler);
  cache.size = host.length;
  assert.deepEqual(read(cache, 0, host.length), host);
  const once = fills;
  assert.deepEqual(read(cache, 0, host.length), host);
  assert.equal(fills, once);
  assert.equal(write(cache, 7, new Uint8Array([1, 2, 3])), 3);
  assert.ok(cache.dirty);
  assert.equal(cache.sync(), 0);
  assert.deepEqual(host.subarray(6, 11), new Uint8Array([0, 1, 2, 3, 0]));
  assert.equal(write(cache, PAGE, new Uint8Array([77])), 1);
  for (let i = 0; i < 50; i++) assert.ok(frames.alloc(1) > 0, "the cache makes room");
  assert.equal((read(cache, PAGE, 1) as Uint8Array)[0], 77);
});

Deno.test("a frame with two users outlives the first", () => {
  const { frames } = setup();
  const first = frames.alloc(8);
  frames.ref(first + 2, 3);
  frames.unref(first, 8);
  assert.equal(frames.usedFrames, 3);
  assert.throws(() => frames.unref(first, 1), /more users/);
  frames.unref(first + 2, 3);
  assert.equal(frames.usedFrames, 0);
  frames.memory[first * PAGE] = 1;
  frames.flushFreed();
  assert.equal(frames.memory[first * PAGE], 0);
});
