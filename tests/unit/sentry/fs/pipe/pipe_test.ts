import assert from "node:assert/strict";
import { EAGAIN, EBUSY, EINVAL, EPERM, EPIPE } from "../../../../../src/abi/errno.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from "../../../../../src/abi/poll.ts";
import { ByteRing } from "../../../../../src/sentry/fs/pipe/byte_ring.ts";
import { Pipe } from "../../../../../src/sentry/fs/pipe/pipe.ts";
import { Waiter } from "../../../../../src/sentry/kernel/wait.ts";
import { KernelIo } from "../../../../../src/sentry/mm/io_buffer.ts";

const memory = new Uint8Array(0);

function io(bytes: Uint8Array): KernelIo {
  return new KernelIo(memory).reset(bytes, 0, bytes.length);
}

function text(value: string): KernelIo {
  return io(new TextEncoder().encode(value));
}

function take(read: (io: KernelIo) => number, size: number): string | number {
  const bytes = new Uint8Array(size);
  const n = read(io(bytes));
  return n < 0 ? n : new TextDecoder().decode(bytes.subarray(0, n));
}

function open(): Pipe {
  const pipe = new Pipe();
  pipe.addReader();
  pipe.addWriter();
  return pipe;
}

class Recorder extends Waiter {
  woken: number[] = [];

  constructor(mask: number) {
    super();
    this.mask = mask;
  }

  override onWake(mask: number): void {
    this.woken.push(mask & this.mask);
  }
}

Deno.test("a ring keeps the order of bytes while it grows and wraps", () => {
  const ring = new ByteRing(10000);
  const model: number[] = [];
  let next = 0;
  let seed = 7;
  const random = (n: number) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed % n;
  };
  for (let round = 0; round < 2000; round++) {
    const count = random(700);
    if (random(2) === 0) {
      const bytes = new Uint8Array(count).map(() => next++ & 0xff);
      const n = random(2) === 0 ? ring.push(bytes, 0, count) : ring.takeFrom(io(bytes), count);
      assert.equal(n, Math.min(count, 10000 - model.length));
      model.push(...bytes.subarray(0, n));
      next -= count - n;
    } else {
      const out = new Uint8Array(count);
      const peeked = new Uint8Array(count);
      ring.peekTo(io(peeked), 0, count);
      const n = random(2) === 0 ? ring.shift(out, 0, count) : ring.putTo(io(out), count);
      assert.equal(n, Math.min(count, model.length));
      const expected = model.splice(0, n);
      assert.deepEqual([...out.subarray(0, n)], expected);
      assert.deepEqual([...peeked.subarray(0, n)], expected);
    }
    assert.equal(ring.length, model.length);
    if (model.length > 0) assert.equal(ring.at(model.length - 1), model[model.length - 1]);
  }
});

Deno.test("a write of up to PIPE_BUF is put whole or not at all, a longer one in part", () => {
  const pipe = open();
  assert.equal(pipe.write(io(new Uint8Array(62000)), false), 62000);
  assert.equal(pipe.write(io(new Uint8Array(4096)), false), -EAGAIN);
  assert.equal(pipe.poll(false, true), 0);
  assert.equal(pipe.write(io(new Uint8Array(3536)), false), 3536);
  assert.equal(pipe.write(io(new Uint8Array(1)), false), -EAGAIN);
  assert.equal((take((b) => pipe.read(b), 100) as string).length, 100);
  assert.equal(pipe.write(io(new Uint8Array(5000)), false), 100);
});

Deno.test("readers and writers see the other end go", () => {
  const pipe = open();
  assert.equal(take((b) => pipe.read(b), 10), -EAGAIN);
  assert.equal(pipe.write(text("bye"), false), 3);
  pipe.dropWriter();
  assert.equal(pipe.poll(true, false) & (POLLIN | POLLHUP), POLLIN | POLLHUP);
  assert.equal(take((b) => pipe.read(b), 10), "bye");
  assert.equal(take((b) => pipe.read(b), 10), "");
  pipe.addWriter();
  pipe.dropReader();
  assert.equal(pipe.poll(false, true) & (POLLOUT | POLLERR), POLLOUT | POLLERR);
  assert.equal(pipe.write(text("x"), false), -EPIPE);
});

Deno.test("packets come out one a read, and what does not fit is dropped", () => {
  const pipe = open();
  pipe.write(text("plain"), false);
  pipe.write(text("one"), true);
  pipe.write(text("two!"), true);
  pipe.write(text("end"), false);
  assert.equal(take((b) => pipe.read(b), 3), "pla");
  assert.equal(take((b) => pipe.read(b), 9), "in");
  assert.equal(take((b) => pipe.read(b), 9), "one");
  assert.equal(take((b) => pipe.read(b), 2), "tw");
  assert.equal(take((b) => pipe.read(b), 9), "end");
  assert.equal(take((b) => pipe.read(b), 9), -EAGAIN);
});

Deno.test("the size of a pipe changes within limits", () => {
  const pipe = open();
  assert.equal(pipe.resize(1, false), 4096);
  assert.equal(pipe.resize(5000, false), 8192);
  pipe.write(io(new Uint8Array(5000)), false);
  assert.equal(pipe.resize(4096, false), -EBUSY);
  assert.equal(pipe.resize(1 << 21, false), -EPERM);
  assert.equal(pipe.resize(1 << 21, true), 1 << 21);
  assert.equal(pipe.resize(-1, true), -EINVAL);
});

Deno.test("waiters are told when bytes come and when a full pipe has room again", () => {
  const pipe = open();
  const reader = new Recorder(POLLIN | POLLHUP);
  const writer = new Recorder(POLLOUT);
  pipe.queue.add(reader);
  pipe.queue.add(writer);
  pipe.write(io(new Uint8Array(65536)), false);
  assert.deepEqual(reader.woken, [POLLIN]);
  assert.deepEqual(writer.woken, []);
  take((b) => pipe.read(b), 10);
  assert.deepEqual(writer.woken, [POLLOUT]);
  pipe.dropWriter();
  assert.deepEqual(reader.woken, [POLLIN, POLLIN | POLLHUP]);
});
