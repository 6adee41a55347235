import assert from "node:assert/strict";

import { readI64, readU64, write64 } from "../../../src/abi/int64.ts";
import {
  array,
  be16,
  bytes,
  chars,
  i64,
  struct,
  u16,
  u32,
  u64,
  u8,
} from "../../../src/abi/struct.ts";
import {
  deviceMajor,
  deviceMinor,
  Dirent64,
  EpollEvent,
  makeDevice,
  Stat,
  writeDirent64,
  writeEpollEvent,
  writeStat,
} from "../../../src/abi/structs/file.ts";
import { Rusage, writeRusage } from "../../../src/abi/structs/process.ts";
import {
  SiginfoFault,
  SiginfoKill,
  writeSiginfoAddress,
  writeSiginfoHeader,
  writeSiginfoSender,
} from "../../../src/abi/structs/signal.ts";
import { Timespec, Timeval, writeTimespec, writeTimeval } from "../../../src/abi/structs/time.ts";

function dirty(size: number): DataView {
  return new DataView(new Uint8Array(size).fill(0xaa).buffer);
}

Deno.test("64-bit integers keep their value up to 2^53 and their sign", () => {
  const view = dirty(8);
  for (
    const value of [0, 1, -1, 2 ** 32, -(2 ** 32), 2 ** 53, -(2 ** 53), 4294967295, -4294967297]
  ) {
    write64(view, 0, value);
    assert.equal(readI64(view, 0), value);
    assert.equal(view.getBigInt64(0, true), BigInt(value));
  }
  write64(view, 0, 2 ** 63);
  assert.equal(readU64(view, 0), 2 ** 63);
});

Deno.test("all ones survive being read and written as unsigned", () => {
  const view = dirty(8);
  write64(view, 0, -1);
  write64(view, 0, readU64(view, 0));
  assert.equal(view.getBigUint64(0, true), 0xffff_ffff_ffff_ffffn);
});

Deno.test("fields are aligned as in C, and packed structures have no padding", () => {
  const fields = { a: u8, b: u64, c: u16, d: array(u32, 3) };
  const padded = struct("padded", fields);
  assert.deepEqual({ ...padded.offsets }, { a: 0, b: 8, c: 16, d: 20 });
  assert.equal(padded.size, 32);
  const packed = struct("packed", fields, { packed: true });
  assert.deepEqual({ ...packed.offsets }, { a: 0, b: 1, c: 9, d: 11 });
  assert.equal(packed.size, 23);
  assert.equal(struct("form", { a: u8 }, { size: 128 }).size, 128);
});

Deno.test("what is written is read again, and what is not given is zero", () => {
  const inner = struct("inner", { x: u16, y: i64 });
  const outer = struct("outer", {
    one: inner,
    list: array(inner, 2),
    name: chars(4),
    raw: bytes(3),
    port: be16,
  });
  const view = dirty(outer.size + 8);
  outer.write(view, 4, {
    one: { x: 7 },
    list: [{ x: 1, y: -2 }],
    name: "abcdef",
    raw: Uint8Array.of(1, 2, 3, 4),
    port: 80,
  });
  assert.deepEqual(outer.read(view, 4), {
    one: { x: 7, y: 0 },
    list: [{ x: 1, y: -2 }, { x: 0, y: 0 }],
    name: "abc",
    raw: Uint8Array.of(1, 2, 3),
    port: 80,
  });
  assert.equal(view.getUint8(3), 0xaa);
  assert.equal(view.getUint8(4 + outer.size), 0xaa);
  outer.set(view, 4, "port", 0x1234);
  assert.equal(outer.get(view, 4, "port"), 0x1234);
  assert.equal(view.getUint8(4 + outer.offsets.port), 0x12);
});

Deno.test("a structure is printed as strace does, without its padding", () => {
  const type = struct("t", { a: u32, _pad: u32, when: Timespec });
  assert.equal(
    type.print({ a: 1, when: { tv_sec: 2, tv_nsec: 3 } }),
    "{a=1, when={tv_sec=2, tv_nsec=3}}",
  );
});

Deno.test("the hand-written writers agree with the declarations", () => {
  const view = dirty(256);
  writeStat(view, 0, 5, 6, 1, 0o100644, 10, 11, 0, 2 ** 40, 4096, 8, 1.5e9, 2.25e9, 3e9);
  const { _pad0, _unused, ...stat } = Stat.read(view, 0);
  assert.equal(_pad0, 0);
  assert.deepEqual(_unused, [0, 0, 0]);
  assert.deepEqual(stat, {
    st_dev: 5,
    st_ino: 6,
    st_nlink: 1,
    st_mode: 0o100644,
    st_uid: 10,
    st_gid: 11,
    st_rdev: 0,
    st_size: 2 ** 40,
    st_blksize: 4096,
    st_blocks: 8,
    st_atime: 1,
    st_atime_nsec: 500_000_000,
    st_mtime: 2,
    st_mtime_nsec: 250_000_000,
    st_ctime: 3,
    st_ctime_nsec: 0,
  });

  writeTimespec(view, 0, -1);
  assert.deepEqual(Timespec.read(view, 0), { tv_sec: -1, tv_nsec: 999_999_999 });
  writeTimeval(view, 0, 1_234_567_899);
  assert.deepEqual(Timeval.read(view, 0), { tv_sec: 1, tv_usec: 234_567 });

  writeRusage(view, 0, 2_000_001_000, 1_000, 77, 5, 6, 7);
  const usage = Rusage.read(view, 0);
  assert.deepEqual(usage.ru_utime, { tv_sec: 2, tv_usec: 1 });
  assert.deepEqual(
    [usage.ru_maxrss, usage.ru_minflt, usage.ru_nvcsw, usage.ru_nivcsw, usage.ru_msgsnd],
    [77, 5, 6, 7, 0],
  );

  writeDirent64(view, 0, 99, 3, 24, 8);
  assert.deepEqual(Dirent64.read(view, 0), { d_ino: 99, d_off: 3, d_reclen: 24, d_type: 8 });
  writeEpollEvent(view, 0, 0x80000001, 0x1234, 0x1);
  assert.deepEqual(EpollEvent.read(view, 0), { events: 0x80000001, data: 0x1_0000_1234 });

  writeSiginfoHeader(view, 0, 17, 0, 1);
  writeSiginfoSender(view, 0, 42, 1000);
  const child = SiginfoKill.read(view, 0);
  assert.deepEqual([child.si_signo, child.si_code, child.si_pid, child.si_uid], [17, 1, 42, 1000]);
  writeSiginfoHeader(view, 0, 11, 0, 1);
  writeSiginfoAddress(view, 0, 0x7fff_ffff_f000);
  assert.equal(SiginfoFault.read(view, 0).si_addr, 0x7fff_ffff_f000);
});

Deno.test("a device number is coded as makedev(3) does", () => {
  for (const [major, minor] of [[1, 3], [136, 0], [8, 255], [253, 4095], [4095, 0xfffff]]) {
    const device = makeDevice(major, minor);
    assert.equal(deviceMajor(device), major);
    assert.equal(deviceMinor(device), minor);
  }
  assert.equal(makeDevice(5, 1), 0x501);
});
