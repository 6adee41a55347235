import assert from "node:assert/strict";
import { EAGAIN, EEXIST, EINVAL, ELOOP, ENOENT, EPERM } from "../../../../src/abi/errno.ts";
import { O_NONBLOCK, O_RDONLY } from "../../../../src/abi/fcntl.ts";
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLET,
  EPOLLIN,
  EPOLLONESHOT,
  POLLIN,
  POLLOUT,
} from "../../../../src/abi/poll.ts";
import { CLOCK_MONOTONIC, CLOCK_REALTIME, TFD_TIMER_ABSTIME } from "../../../../src/abi/time.ts";
import { EpollFile } from "../../../../src/sentry/fs/epoll/epoll_file.ts";
import { EventFile } from "../../../../src/sentry/fs/eventfd/eventfd.ts";
import { InotifyFile } from "../../../../src/sentry/fs/inotify/inotify.ts";
import { TimerFile } from "../../../../src/sentry/fs/timerfd/timerfd.ts";
import { TimerQueue } from "../../../../src/sentry/kernel/timers.ts";
import type { File } from "../../../../src/sentry/vfs/file.ts";
import { asTask, World } from "../vfs/harness.ts";

const view = new DataView(new ArrayBuffer(4096));

function read64(w: World, file: File): bigint | number {
  const bytes = new Uint8Array(8);
  const n = file.read(asTask(w.root), w.io(bytes), -1);
  return n < 0 ? n : new DataView(bytes.buffer).getBigUint64(0, true);
}

function write64(w: World, file: File, value: bigint): number {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return file.write(asTask(w.root), w.io(bytes), -1);
}

function add(w: World, ep: EpollFile, fd: number, file: File, events = EPOLLIN): number {
  return ep.control(asTask(w.root), EPOLL_CTL_ADD, fd, file, events, fd, 0);
}

/** Numbers of the descriptors that are ready. */
function ready(w: World, ep: EpollFile, max = 10): number[] {
  const n = ep.collect(asTask(w.root), view, max);
  return Array.from({ length: n }, (_, i) => view.getUint32(i * 12 + 4, true));
}

Deno.test("an event counter adds up to 64 bits and no further", () => {
  const w = new World();
  const e = new EventFile(w.vfs, 3, false, O_NONBLOCK);
  assert.equal(read64(w, e), 3n);
  assert.equal(read64(w, e), -EAGAIN);
  assert.equal(write64(w, e, 0xfffffffffffffffen), 8);
  assert.equal(write64(w, e, 1n), -EAGAIN);
  assert.equal(e.poll(null) & POLLOUT, 0);
  assert.equal(write64(w, e, 0xffffffffffffffffn), -EINVAL);
  assert.equal(read64(w, e), 0xfffffffffffffffen);
  write64(w, e, 0xffffffffn);
  write64(w, e, 5n);
  assert.equal(read64(w, e), 0x100000004n);
  const s = new EventFile(w.vfs, 2, true, 0);
  assert.deepEqual([read64(w, s), read64(w, s), read64(w, s)], [1n, 1n, -EAGAIN]);
});

Deno.test("level-triggered interests come again, edges and one-shots once", () => {
  const w = new World();
  const ep = new EpollFile(w.vfs);
  const e = new EventFile(w.vfs, 0, false, 0);
  assert.equal(add(w, ep, 1, e), 0);
  assert.equal(add(w, ep, 1, e), -EEXIST);
  assert.deepEqual(ready(w, ep), []);
  write64(w, e, 1n);
  assert.deepEqual([ready(w, ep), ready(w, ep)], [[1], [1]]);
  const modify = (events: number) => ep.control(asTask(w.root), EPOLL_CTL_MOD, 1, e, events, 1, 0);
  modify(EPOLLIN | EPOLLET);
  assert.deepEqual([ready(w, ep), ready(w, ep)], [[1], []]);
  write64(w, e, 1n);
  assert.deepEqual([ready(w, ep), ready(w, ep)], [[1], []]);
  modify(EPOLLIN | EPOLLONESHOT);
  assert.deepEqual([ready(w, ep), ready(w, ep)], [[1], []]);
  write64(w, e, 1n);
  assert.deepEqual(ready(w, ep), []);
  modify(EPOLLIN);
  assert.deepEqual(ready(w, ep), [1]);
  read64(w, e);
  assert.deepEqual(ready(w, ep), []);
  assert.equal(ep.control(asTask(w.root), EPOLL_CTL_DEL, 1, e, 0, 0, 0), 0);
  assert.equal(ep.control(asTask(w.root), EPOLL_CTL_DEL, 1, e, 0, 0, 0), -ENOENT);
});

Deno.test("many ready interests take turns", () => {
  const w = new World();
  const ep = new EpollFile(w.vfs);
  for (let i = 0; i < 5; i++) add(w, ep, i, new EventFile(w.vfs, 1, false, 0));
  const seen = [ready(w, ep, 2), ready(w, ep, 2), ready(w, ep, 2)];
  assert.deepEqual(seen, [[0, 1], [2, 3], [4, 0]]);
});

Deno.test("an interest ends with its file, not with its number", () => {
  const w = new World();
  const ep = new EpollFile(w.vfs);
  const old = new EventFile(w.vfs, 1, false, 0);
  const fresh = new EventFile(w.vfs, 1, false, 0);
  add(w, ep, 7, old);
  add(w, ep, 7, fresh);
  assert.equal(ready(w, ep).length, 2);
  old.unref();
  assert.equal(ready(w, ep).length, 1);
  ep.unref();
  assert.equal(fresh.watchers, null);
});

Deno.test("instances may watch each other, but not in circles or too deep", () => {
  const w = new World();
  const chain = Array.from({ length: 7 }, () => new EpollFile(w.vfs));
  const e = new EventFile(w.vfs, 0, false, 0);
  assert.equal(add(w, chain[0], 0, chain[0]), -EINVAL);
  assert.equal(add(w, chain[0], 0, e), 0);
  for (let i = 1; i < 5; i++) assert.equal(add(w, chain[i], i, chain[i - 1]), 0);
  assert.equal(add(w, chain[5], 5, chain[4]), -ELOOP);
  assert.equal(add(w, chain[0], 9, chain[3]), -ELOOP);
  assert.equal(chain[4].poll(null), 0);
  write64(w, e, 1n);
  assert.equal(chain[4].poll(null) & POLLIN, POLLIN);
  assert.deepEqual(ready(w, chain[4]), [4]);
  read64(w, e);
  assert.deepEqual(ready(w, chain[4]), []);
});

Deno.test("regular files can not be watched", () => {
  const w = new World();
  w.write("/f", "x");
  assert.equal(add(w, new EpollFile(w.vfs), 0, w.open("/f", O_RDONLY)), -EPERM);
});

Deno.test("a timer counts what expired, however late it is read", () => {
  const w = new World();
  const clock = w.kernel.clock;
  const timers = new TimerQueue(clock);
  const t = new TimerFile(w.vfs, timers, clock, CLOCK_MONOTONIC, 0);
  const pass = (ns: number) => {
    w.source.now += ns;
    timers.run(clock.monotonic());
  };
  assert.equal(read64(w, t), -EAGAIN);
  t.set(0, 100, 10);
  assert.equal(t.remaining, 100);
  pass(99);
  assert.equal(read64(w, t), -EAGAIN);
  pass(36);
  assert.equal(t.poll(null) & POLLIN, POLLIN);
  assert.equal(read64(w, t), 4n);
  assert.equal(t.remaining, 5);
  pass(1_000_000);
  assert.equal(timers.size, 0);
  assert.equal(read64(w, t), 100_000n);
  assert.equal(timers.size, 1);
  t.set(0, 0, 0);
  assert.equal(timers.size, 0);
  const wall = new TimerFile(w.vfs, timers, clock, CLOCK_REALTIME, 0);
  wall.set(TFD_TIMER_ABSTIME, clock.realtime() + 4096, 0);
  pass(10_000);
  assert.equal(read64(w, wall), 1n);
});

Deno.test("watches tell of entries, merge repeats and end with IN_IGNORED", () => {
  const w = new World();
  w.write("/d", "");
  const file = new InotifyFile(w.vfs, 0);
  const inode = w.stat("/d");
  assert.equal(file.add(inode, 0x2), 1);
  assert.equal(file.add(inode, 0x4), 1);
  inode.watches!.notify(0x2, "", 0);
  assert.equal(file.poll(null), 0);
  inode.watches!.notify(0x4, "name", 9);
  inode.watches!.notify(0x4, "name", 9);
  assert.equal(file.remove(1), 0);
  assert.equal(file.remove(1), -EINVAL);
  const bytes = new Uint8Array(100);
  const n = file.read(asTask(w.root), w.io(bytes), -1);
  assert.equal(n, 32 + 16);
  const v = new DataView(bytes.buffer);
  assert.deepEqual([v.getInt32(0, true), v.getUint32(4, true), v.getUint32(8, true)], [1, 4, 9]);
  assert.equal(v.getUint32(12, true), 16);
  assert.equal(v.getUint32(36, true), 0x8000);
});
