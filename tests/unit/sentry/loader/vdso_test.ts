import assert from "node:assert/strict";
import { mprotect } from "../../../../ffi/libc/memory.ts";
import { clock_gettime } from "../../../../ffi/libc/time.ts";
import { FrameAllocator } from "../../../../src/sentry/mm/frames.ts";
import { buildVdsoImage } from "../../../../src/sentry/loader/vdso_image.ts";
import { PARAM, VdsoParams } from "../../../../src/sentry/loader/vdso_params.ts";
import { Elf64Ehdr } from "../../../../src/abi/structs/elf.ts";

const PAGE = 4096;

/** Addresses of the image's functions, found as a program does. */
function symbols(image: Uint8Array): Map<string, number> {
  const v = new DataView(image.buffer, image.byteOffset, image.length);
  const u64 = (at: number) => Number(v.getBigUint64(at, true));
  const dynamic = new Map<number, number>();
  for (let i = 0; i < v.getUint16(56, true); i++) {
    const at = 64 + 56 * i;
    if (v.getUint32(at, true) !== 2) continue;
    for (let d = u64(at + 16); u64(d) !== 0; d += 16) dynamic.set(u64(d), u64(d + 8));
  }
  const strings = dynamic.get(5)!;
  const table = dynamic.get(6)!;
  const count = v.getUint32(dynamic.get(4)! + 4, true);
  const found = new Map<string, number>();
  for (let i = 1; i < count; i++) {
    const at = strings + v.getUint32(table + 24 * i, true);
    const name = new TextDecoder().decode(image.subarray(at, image.indexOf(0, at)));
    found.set(name, u64(table + 24 * i + 8));
  }
  return found;
}

/** Parameters and image in memory that may be executed. */
function place() {
  const frames = FrameAllocator.create(1 << 20);
  const image = buildVdsoImage();
  const first = frames.alloc(1 + image.length / PAGE);
  frames.memory.set(image, (first + 1) * PAGE);
  const at = frames.hostAddress + first * PAGE;
  assert.equal(mprotect(at, PAGE + image.length, 7), 0);
  const functions = symbols(image);
  const bind = <const D extends Deno.UnsafeCallback["definition"]>(name: string, definition: D) =>
    new Deno.UnsafeFnPointer(
      Deno.UnsafePointer.create(BigInt(at + PAGE + functions.get(name)!))!,
      definition,
    );
  const view = new DataView(frames.memory.buffer, first * PAGE, PAGE);
  return { frames, first, view, bind };
}

const GETTIME = { parameters: ["i32", "buffer"], result: "i32" } as const;

/** Parameters that have been measured. */
function measured() {
  const placed = place();
  const params = new VdsoParams(placed.frames, placed.first, true);
  while (placed.view.getUint32(PARAM.USABLE, true) === 0) params.refresh(clock_gettime(1));
  return { ...placed, params };
}

Deno.test("the image is a shared object that the C library can search", () => {
  const image = buildVdsoImage();
  const header = Elf64Ehdr.read(new DataView(image.buffer), 0);
  assert.equal(header.e_type, 3);
  const path = Deno.makeTempFileSync({ suffix: ".so" });
  try {
    Deno.writeFileSync(path, image);
    const library = Deno.dlopen(path, {
      __vdso_clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
      getcpu: { parameters: ["buffer", "buffer"], result: "i32" },
    });
    library.close();
  } finally {
    Deno.removeSync(path);
  }
  assert.deepEqual(
    [...symbols(image).keys()].filter((n) => n.startsWith("__vdso_")).sort(),
    ["clock_getres", "clock_gettime", "getcpu", "gettimeofday", "time"].map((n) => `__vdso_${n}`),
  );
});

Deno.test("without parameters the kernel is asked", () => {
  const { bind } = place();
  const gettime = bind("__vdso_clock_gettime", GETTIME);
  const ts = new BigInt64Array(2);
  const before = clock_gettime(1);
  assert.equal(gettime.call(1, ts), 0);
  const after = clock_gettime(1);
  const got = Number(ts[0]) * 1e9 + Number(ts[1]);
  assert.ok(before <= got && got <= after);
  assert.equal(gettime.call(999, ts), -22);
});

Deno.test("the time read from the counter is that of the host", () => {
  const { bind } = measured();
  const gettime = bind("__vdso_clock_gettime", GETTIME);
  const ts = new BigInt64Array(2);
  for (
    const [mine, host, slack] of [[1, 1, 20_000], [6, 1, 20_000], [7, 1, 20_000], [0, 0, 20_000]]
  ) {
    const before = clock_gettime(host);
    assert.equal(gettime.call(mine, ts), 0);
    const after = clock_gettime(host);
    const got = Number(ts[0]) * 1e9 + Number(ts[1]);
    assert.ok(ts[1] >= 0n && ts[1] < 1_000_000_000n);
    assert.ok(before - slack <= got && got <= after + slack, `${before} ${got} ${after}`);
  }
  const tv = new BigInt64Array(2);
  const gettimeofday = bind("gettimeofday", { parameters: ["buffer", "buffer"], result: "i32" });
  const before = clock_gettime(0);
  assert.equal(gettimeofday.call(tv, new Uint8Array(8).fill(1)), 0);
  const got = Number(tv[0]) * 1e9 + Number(tv[1]) * 1000;
  assert.ok(before - 21_000 <= got && got <= clock_gettime(0) + 20_000);
  const time = bind("time", { parameters: ["pointer"], result: "i64" });
  assert.ok(Math.abs(Number(time.call(null)) - before / 1e9) < 2);
});

Deno.test("time does not go backwards when the parameters change", () => {
  const { bind, params, view } = measured();
  const gettime = bind("clock_gettime", GETTIME);
  const ts = new BigInt64Array(2);
  let last = 0n;
  let publications = 0;
  let seq = view.getUint32(PARAM.SEQ, true);
  while (publications < 4) {
    params.refresh(clock_gettime(1));
    const s = view.getUint32(PARAM.SEQ, true);
    if (s !== seq) publications++;
    seq = s;
    gettime.call(1, ts);
    const now = ts[0] * 1_000_000_000n + ts[1];
    assert.ok(now >= last, `${now} after ${last}`);
    last = now;
  }
});

Deno.test("a counter that runs at another pace is not used until it was measured anew", () => {
  const frames = FrameAllocator.create(1 << 20);
  const frame = frames.alloc(1);
  const view = new DataView(frames.memory.buffer, frame * PAGE, PAGE);
  let tsc = 1000n;
  let ns = 5_000_000_000n;
  const params = new VdsoParams(frames, frame, true, (out) => {
    out[0] = tsc;
    out[1] = tsc + 20n;
    out[2] = ns / 1_000_000_000n;
    out[3] = ns % 1_000_000_000n;
    out[4] = 1_700_000_000n + out[2];
    out[5] = out[3];
  });
  const pass = (ticks: bigint, time: bigint) => {
    tsc += ticks;
    ns += time;
    params.refresh(Number(ns));
  };
  pass(0n, 0n);
  assert.equal(view.getUint32(PARAM.USABLE, true), 0);
  pass(40_000_000n, 20_000_000n);
  assert.equal(view.getUint32(PARAM.USABLE, true), 1);
  assert.equal(view.getBigUint64(PARAM.MULT, true), 1n << 31n);
  pass(100_000_000_000n, 3_000_000_000n);
  assert.equal(view.getUint32(PARAM.USABLE, true), 0);
  pass(40_000_000n, 20_000_000n);
  assert.equal(view.getUint32(PARAM.USABLE, true), 1);
  assert.equal(view.getUint32(PARAM.SEQ, true) % 2, 0);
});
