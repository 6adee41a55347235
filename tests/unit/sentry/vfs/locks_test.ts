import assert from "node:assert/strict";
import { EAGAIN, EDEADLK } from "../../../../src/abi/errno.ts";
import { F_RDLCK, F_UNLCK, F_WRLCK, O_RDWR } from "../../../../src/abi/fcntl.ts";
import { FdTable } from "../../../../src/sentry/vfs/fd_table.ts";
import { LOCK_TO_END, LockState, LockWaits } from "../../../../src/sentry/vfs/locks.ts";
import { World } from "./harness.ts";

const shape = (l: LockState) => l.ranges.map((r) => [r.type, r.start, r.end]);

Deno.test("byte-range locks of one owner merge, split and change kind", () => {
  const l = new LockState();
  const a = new FdTable();
  assert.equal(l.set(a, 1, F_RDLCK, 0, 10), 0);
  assert.equal(l.set(a, 1, F_RDLCK, 10, 20), 0);
  assert.deepEqual(shape(l), [[F_RDLCK, 0, 20]]);
  l.set(a, 1, F_WRLCK, 5, 8);
  assert.deepEqual(shape(l), [[F_RDLCK, 0, 5], [F_WRLCK, 5, 8], [F_RDLCK, 8, 20]]);
  l.set(a, 1, F_UNLCK, 4, 9);
  assert.deepEqual(shape(l), [[F_RDLCK, 0, 4], [F_RDLCK, 9, 20]]);
  l.set(a, 1, F_UNLCK, 0, LOCK_TO_END);
  assert.deepEqual(shape(l), []);
});

Deno.test("write locks exclude others, read locks exclude writers", () => {
  const l = new LockState();
  const a = new FdTable();
  const b = new FdTable();
  l.set(a, 1, F_RDLCK, 0, 100);
  assert.equal(l.set(b, 2, F_RDLCK, 50, 60), 0);
  assert.equal(l.set(b, 2, F_WRLCK, 50, 60), -EAGAIN);
  assert.equal(l.set(b, 2, F_WRLCK, 100, 200), 0);
  assert.equal(l.conflict(a, F_RDLCK, 150, 160)?.pid, 2);
  l.dropPosix(a);
  assert.equal(l.set(b, 2, F_WRLCK, 0, LOCK_TO_END), 0);
});

Deno.test("a wait that closes a circle is refused", () => {
  const w = new LockWaits();
  const [a, b, c] = [new FdTable(), new FdTable(), new FdTable()];
  assert.equal(w.begin(a, b), 0);
  assert.equal(w.begin(b, c), 0);
  assert.equal(w.begin(c, a), -EDEADLK);
  w.end(b);
  assert.equal(w.begin(c, a), 0);
});

Deno.test("closing any descriptor of a file gives up its POSIX locks; flock goes with the description", () => {
  const w = new World();
  w.write("/f", "x");
  const table = w.root.files!;
  const one = table.install(w.open("/f", O_RDWR), false);
  const two = table.install(w.open("/f", O_RDWR), false);
  const inode = w.stat("/f");
  const locks = inode.locks = new LockState();
  locks.set(table, 1, F_WRLCK, 0, 10);
  const f = table.get(one)!;
  assert.equal(locks.flock(f, true), 0);
  assert.equal(locks.flock(table.get(two)!, false), -EAGAIN);
  table.close(w.root, two);
  assert.equal(locks.ranges.length, 0);
  assert.equal(locks.flocks.size, 1);
  const dup = table.install(f.ref(), false);
  table.close(w.root, one);
  assert.equal(locks.flocks.size, 1);
  table.close(w.root, dup);
  assert.equal(locks.flocks.size, 0);
});
