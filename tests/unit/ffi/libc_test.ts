import assert from "node:assert/strict";
import * as libc from "../../../ffi/libc.ts";
import { cstr } from "../../../ffi/libc.ts";

const ENOENT = -2;
const EBADF = -9;
const EINVAL = -22;
const AT_FDCWD = -100;
const O_RDWR_CREAT = 0o102;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022;

Deno.test("errors are negative numbers", () => {
  assert.equal(libc.close(-1), EBADF);
  assert.equal(libc.openat(AT_FDCWD, cstr("/no/such/path"), 0, 0), ENOENT);
  assert.equal(libc.renameat2(AT_FDCWD, cstr("/no/a"), AT_FDCWD, cstr("/no/b"), 0), ENOENT);
  assert.equal(libc.mmap(0, 0, 0, 0x22, -1, 0), EINVAL);
  assert.equal(libc.lseek(-1, 0, 0), EBADF);
});

Deno.test("identities are those Deno knows", () => {
  assert.equal(libc.getpid(), Deno.pid);
  assert.equal(libc.getppid(), Deno.ppid);
  assert.equal(libc.getuid(), Deno.uid());
  assert.equal(libc.getgid(), Deno.gid());
});

Deno.test("files are written and read through buffers and through addresses", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const fd = libc.open(cstr(`${dir}/a`), O_RDWR_CREAT, 0o600);
    assert.ok(fd >= 0);
    const text = new TextEncoder().encode("hello, world");
    assert.equal(libc.write(fd, text, text.length), text.length);
    assert.equal(libc.pwrite(fd, libc.addressOf(text), 5, 7), 5);
    const back = new Uint8Array(16);
    assert.equal(libc.pread(fd, back, 16, 0), 12);
    assert.equal(new TextDecoder().decode(back.subarray(0, 12)), "hello, hello");
    back.fill(0);
    assert.equal(libc.pread(fd, libc.addressOf(back), 5, 2), 5);
    assert.equal(new TextDecoder().decode(back.subarray(0, 5)), "llo, ");
    assert.equal(libc.lseek(fd, 2 ** 40, 0), 2 ** 40);
    assert.equal(libc.lseek(fd, 0, 0), 0);
    assert.equal(libc.read(fd, back.subarray(4), 3), 3);
    assert.equal(new TextDecoder().decode(back.subarray(4, 7)), "hel");

    const iov = new BigUint64Array([BigInt(libc.addressOf(back)), 3n]);
    assert.equal(libc.preadv(fd, iov, 1, 7), 3);

    const stat = new Uint8Array(144);
    assert.equal(libc.fstat(fd, stat), 0);
    assert.equal(new DataView(stat.buffer).getUint32(48, true), 12);
    assert.equal(libc.newfstatat(AT_FDCWD, cstr(`${dir}/a`), stat, 0), 0);
    assert.equal(libc.symlinkat(cstr("a"), AT_FDCWD, cstr(`${dir}/l`)), 0);
    assert.equal(libc.readlinkat(AT_FDCWD, cstr(`${dir}/l`), back, 16), 1);
    assert.equal(back[0], "a".charCodeAt(0));
    assert.equal(
      libc.linkat(AT_FDCWD, cstr(`${dir}/a`), AT_FDCWD, cstr(`${dir}/b`), 0),
      0,
    );
    assert.equal(libc.unlinkat(AT_FDCWD, cstr(`${dir}/b`), 0), 0);
    assert.equal(libc.ftruncate(fd, 0), 0);
    assert.equal(libc.close(fd), 0);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a call with three and four buffers gets each in its place", () => {
  const name = cstr("user.test");
  const value = new Uint8Array(8);
  assert.equal(libc.getxattr(cstr("/no/such"), name, value, 8), ENOENT);
  assert.equal(libc.mount(cstr("none"), cstr("/no/such"), cstr("tmpfs"), 0, cstr("x=y")) < 0, true);
  const ids = [new Int32Array(1), new Int32Array(1), new Int32Array(1)];
  assert.equal(libc.getresuid(ids[0], ids[1], ids[2]), 0);
  assert.deepEqual(ids.map((id) => id[0]), [Deno.uid(), libc.geteuid(), libc.geteuid()]);
  const writer = new Int32Array(2);
  assert.equal(libc.pipe2(writer, 0), 0);
  assert.equal(libc.write(writer[1], new Uint8Array([7]), 1), 1);
  // poll with a timespec and a mask.
  const poll = new Uint8Array(8);
  new DataView(poll.buffer).setInt32(0, writer[0], true);
  poll[4] = 1;
  assert.equal(libc.ppoll(poll, 1, new BigInt64Array(2), new Uint8Array(8), 8), 1);
  assert.equal(libc.close(writer[0]) | libc.close(writer[1]), 0);
});

Deno.test("memory is mapped, shared and viewed", () => {
  const fd = libc.memfd_create(cstr("test"), 1);
  assert.equal(libc.ftruncate(fd, 1 << 20), 0);
  const one = libc.mmap(0, 1 << 20, PROT_READ_WRITE, MAP_SHARED, fd, 0);
  const two = libc.mmap(0, 4096, PROT_READ_WRITE, MAP_SHARED, fd, 4096);
  assert.ok(one > 0 && two > 0);
  const a = new DataView(libc.mapArrayBuffer(one, 1 << 20));
  const b = new DataView(libc.viewOf(two, 4096));
  assert.equal(libc.addressOf(a), one);
  a.setUint32(4096 + 8, 0x12345678, true);
  assert.equal(b.getUint32(8, true), 0x12345678);
  assert.equal(libc.munmap(one, 1 << 20) | libc.munmap(two, 4096) | libc.close(fd), 0);
});

Deno.test("a mapping of 256 GiB is one buffer", () => {
  const size = 2 ** 38;
  const address = libc.mmap(
    0,
    size,
    PROT_READ_WRITE,
    MAP_PRIVATE_ANONYMOUS_NORESERVE,
    -1,
    0,
  );
  assert.ok(address > 0);
  const buffer = libc.mapArrayBuffer(address, size);
  assert.equal(buffer.byteLength, size);
  const view = new DataView(buffer);
  view.setUint8(size - 1, 9);
  assert.equal(new Uint8Array(buffer, size - 4)[3], 9);
  assert.equal(libc.munmap(address, size), 0);
});

Deno.test("events: eventfd, epoll, poll, socket pairs", () => {
  const event = libc.eventfd2(3, 0x80000);
  const epoll = libc.epoll_create1(0x80000);
  const interest = new Uint8Array(12);
  const view = new DataView(interest.buffer);
  view.setUint32(0, 1, true);
  view.setUint32(4, 77, true);
  assert.equal(libc.epoll_ctl(epoll, 1, event, interest), 0);
  const events = new Uint8Array(24);
  assert.equal(libc.epoll_wait(epoll, events, 2, 0), 1);
  assert.equal(new DataView(events.buffer).getUint32(4, true), 77);
  const count = new BigUint64Array(1);
  assert.equal(libc.read(event, count, 8), 8);
  assert.equal(count[0], 3n);
  const pair = new Int32Array(2);
  assert.equal(libc.socketpair(1, 1, 0, pair), 0);
  assert.equal(libc.sendto(pair[0], cstr("x"), 2, 0, null, 0), 2);
  assert.equal(libc.recvfrom(pair[1], new Uint8Array(2), 2, 0, null, null), 2);
  for (const fd of [event, epoll, pair[0], pair[1]]) assert.equal(libc.close(fd), 0);
});

Deno.test("clocks count nanoseconds", () => {
  const before = libc.clock_gettime(1);
  const after = libc.clock_gettime(1);
  assert.ok(Number.isSafeInteger(before) && after >= before && before > 0);
  const days = Math.abs(libc.clock_gettime(0) / 1e6 - Date.now()) / 86_400_000;
  assert.ok(days < 1);
  assert.equal(libc.clock_gettime(9999), -1);
  assert.ok(libc.clock_getres(1) >= 1);
});

Deno.test("a C string ends in NUL and holds no other", () => {
  assert.deepEqual([...cstr("ä")], [0xc3, 0xa4, 0]);
  assert.deepEqual([...cstr(new Uint8Array([1]))], [1, 0]);
  assert.throws(() => cstr("a\0b"), TypeError);
});
