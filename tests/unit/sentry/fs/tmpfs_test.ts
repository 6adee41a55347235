import assert from "node:assert/strict";
import { EEXIST, EINVAL, ENODATA, ENOSPC, ENXIO, EPERM } from "../../../../src/abi/errno.ts";
import {
  AT_FDCWD,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_CREAT,
  O_RDWR,
  SEEK_DATA,
  SEEK_HOLE,
} from "../../../../src/abi/fcntl.ts";
import { MFD_ALLOW_SEALING } from "../../../../src/abi/mman.ts";
import { XATTR_CREATE, XATTR_REPLACE } from "../../../../src/abi/mount.ts";
import { newMemfd } from "../../../../src/sentry/fs/memfd/memfd.ts";
import { Tmpfs } from "../../../../src/sentry/fs/tmpfs/tmpfs.ts";
import { pathName } from "../../../../src/sentry/vfs/path.ts";
import { World } from "../vfs/harness.ts";

Deno.test("files are sparse, grow, shrink and tell holes from data", () => {
  const w = new World();
  const f = w.open("/f", O_CREAT | O_RDWR);
  assert.equal(w.pwrite(f, "tail", 1 << 20), 4);
  assert.equal(f.inode.size, (1 << 20) + 4);
  assert.equal(w.pread(f, 0, 4), "\0\0\0\0");
  assert.ok(f.inode.blocks <= 16, `${f.inode.blocks}`);
  assert.equal(f.seek(w.root, 0, SEEK_DATA), 1 << 20);
  assert.equal(f.seek(w.root, 0, SEEK_HOLE), 0);
  assert.equal(f.seek(w.root, (1 << 20) + 4, SEEK_DATA), -ENXIO);
  assert.equal(f.truncate(w.root, (1 << 20) + 2), 0);
  assert.equal(f.truncate(w.root, (1 << 20) + 4), 0);
  assert.equal(w.pread(f, 1 << 20, 10), "ta\0\0");
  assert.equal(f.fallocate(w.root, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 1), 0);
  assert.equal(w.pread(f, 1 << 20, 10), "\0a\0\0");
  assert.equal(f.fallocate(w.root, FALLOC_FL_KEEP_SIZE, 0, 3 << 20), 0);
  assert.equal(f.inode.size, (1 << 20) + 4);
  f.unref();
});

Deno.test("an unlinked file lives until it is closed, and then its pages are free", () => {
  const w = new World();
  const fs = w.ns.root.fs as Tmpfs;
  const f = w.open("/f", O_CREAT | O_RDWR);
  w.pwrite(f, "x".repeat(100_000), 0);
  assert.ok(fs.usedPages >= 25);
  assert.equal(fs.usedInodes, 2);
  w.unlink("/f");
  assert.equal(w.pread(f, 99_999, 5), "x");
  f.unref();
  assert.equal(fs.usedPages, 0);
  assert.equal(fs.usedInodes, 1);
});

Deno.test("size and inode limits hold", () => {
  const w = new World();
  w.mkdir("/m");
  assert.equal(w.vfs.mount(w.root, "x", "/m", "tmpfs", 0, "size=64k,nr_inodes=3,mode=711"), 0);
  const f = w.open("/m/f", O_CREAT | O_RDWR);
  const n = w.pwrite(f, "y".repeat(100_000), 0);
  assert.equal(n, 65536);
  assert.equal(f.inode.size, 65536);
  assert.equal(w.pwrite(f, "y", 65536), -ENOSPC);
  assert.equal(f.inode.size, 65536);
  assert.equal(f.truncate(w.root, 0), 0);
  assert.equal(w.pwrite(f, "y", 0), 1);
  f.unref();
  assert.equal(w.mkdir("/m/d"), 0);
  assert.equal(w.mkdir("/m/e"), -ENOSPC);
  w.rmdir("/m/d");
  assert.equal(w.mkdir("/m/e"), 0);
  assert.equal(w.vfs.mount(w.root, "x", "/m", "tmpfs", 0, "bogus=1"), -EINVAL);
  assert.equal(w.vfs.mount(w.root, "x", "/m", "tmpfs", 0, "mode=999"), -EINVAL);
});

Deno.test("extended attributes are set, replaced, listed and removed", () => {
  const w = new World();
  w.write("/f", "");
  const i = w.stat("/f");
  const v = new Uint8Array([1, 2]);
  assert.equal(i.getxattr(w.root, "user.a"), -ENODATA);
  assert.equal(i.setxattr(w.root, "user.a", v, XATTR_REPLACE), -ENODATA);
  assert.equal(i.setxattr(w.root, "user.a", v, 0), 0);
  assert.equal(i.setxattr(w.root, "user.a", v, XATTR_CREATE), -EEXIST);
  assert.deepEqual(i.getxattr(w.root, "user.a"), v);
  assert.deepEqual(i.listxattr(w.root), ["user.a"]);
  assert.equal(i.removexattr(w.root, "user.a"), 0);
  assert.equal(i.removexattr(w.root, "user.a"), -ENODATA);
});

Deno.test("listings stay in place while entries come and go", () => {
  const w = new World();
  for (let i = 0; i < 10; i++) w.write(`/f${i}`, "");
  const dir = w.open("/", 0o200000);
  const seen: string[] = [];
  const some = {
    put: (n: string) => seen.length % 4 === 3 ? (seen.push(n), false) : (seen.push(n), true),
  };
  while (dir.readdir(w.root, some), dir.pos < 12) {
    if (seen.length < 8) w.unlink(`/f${seen.length}`);
  }
  dir.unref();
  assert.ok(seen.includes("f9"));
});

Deno.test("times follow what is done", () => {
  const w = new World();
  w.write("/f", "x");
  const i = w.stat("/f");
  const birth = i.btimeSec;
  w.source.now += 10e9;
  assert.equal(w.read("/f"), "x");
  assert.equal(i.atimeSec, birth + 10);
  w.source.now += 10e9;
  w.read("/f");
  // relatime: read again, but nothing changed in between.
  assert.equal(i.atimeSec, birth + 10);
  w.write("/f", "yy", 1);
  assert.equal(i.mtimeSec, birth + 20);
  w.source.now += 10e9;
  w.link("/f", "/g");
  assert.equal(i.ctimeSec, birth + 30);
  assert.equal(i.mtimeSec, birth + 20);
  assert.equal(w.stat("/").mtimeSec, birth + 30);
});

Deno.test("seals of a memfd are kept", () => {
  const w = new World();
  const f = newMemfd(w.root, "m", MFD_ALLOW_SEALING);
  assert.equal(pathName(f.path, w.root.fs.root, ""), "/memfd:m (deleted)");
  assert.equal(w.pwrite(f, "data", 0), 4);
  assert.equal(f.inode.getSeals(), 0);
  assert.equal(f.inode.addSeals(F_SEAL_GROW | F_SEAL_SHRINK), 0);
  assert.equal(f.truncate(w.root, 2), -EPERM);
  assert.equal(w.pwrite(f, "more", 2), -EPERM);
  assert.equal(w.pwrite(f, "DA", 0), 2);
  assert.equal(f.inode.addSeals(F_SEAL_WRITE | F_SEAL_SEAL), 0);
  assert.equal(w.pwrite(f, "x", 0), -EPERM);
  assert.equal(f.inode.addSeals(F_SEAL_GROW), -EPERM);
  assert.equal(w.pread(f, 0, 9), "DAta");
  f.unref();
  const plain = newMemfd(w.root, "p", 0);
  assert.equal(plain.inode.getSeals(), F_SEAL_SEAL);
  assert.equal(plain.inode.nlink, 0);
  plain.unref();
  assert.equal(w.exists("/memfd:m", AT_FDCWD), -2);
});
