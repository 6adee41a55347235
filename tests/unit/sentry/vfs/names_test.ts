import assert from "node:assert/strict";
import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  EXDEV,
} from "../../../../src/abi/errno.ts";
import { AT_FDCWD, RENAME_EXCHANGE, RENAME_NOREPLACE } from "../../../../src/abi/fcntl.ts";
import { MS_BIND, MS_RDONLY, MS_REC, MS_REMOUNT } from "../../../../src/abi/mount.ts";
import { S_IFIFO, S_ISGID } from "../../../../src/abi/stat.ts";
import { World } from "./harness.ts";

Deno.test("link counts follow links, directories and removals", () => {
  const w = new World();
  w.mkdir("/d");
  assert.equal(w.stat("/").nlink, 3);
  assert.equal(w.stat("/d").nlink, 2);
  w.mkdir("/d/e");
  assert.equal(w.stat("/d").nlink, 3);
  w.write("/f", "x");
  assert.equal(w.link("/f", "/d/g"), 0);
  assert.equal(w.stat("/f").nlink, 2);
  assert.equal(w.stat("/d/g"), w.stat("/f"));
  assert.equal(w.link("/f", "/d/g"), -EEXIST);
  assert.equal(w.link("/d", "/dd"), -EPERM);
  assert.equal(w.unlink("/f"), 0);
  assert.equal(w.stat("/d/g").nlink, 1);
  assert.equal(w.read("/d/g"), "x");
  assert.equal(w.rmdir("/d"), -ENOTEMPTY);
  assert.equal(w.rmdir("/d/g"), -ENOTDIR);
  assert.equal(w.unlink("/d/e"), -EISDIR);
  assert.equal(w.rmdir("/d/e/."), -EINVAL);
  assert.equal(w.rmdir("/d/e/.."), -ENOTEMPTY);
  assert.equal(w.rmdir("/"), -EBUSY);
  assert.equal(w.rmdir("/d/e"), 0);
  assert.equal(w.unlink("/d/g"), 0);
  assert.equal(w.rmdir("/d"), 0);
  assert.equal(w.stat("/").nlink, 2);
});

Deno.test("rename moves, replaces, exchanges and refuses as Linux does", () => {
  const w = new World();
  for (const d of ["/a", "/a/sub", "/b", "/full", "/full/x"]) w.mkdir(d);
  w.write("/f", "f");
  w.write("/g", "g");
  assert.equal(w.rename("/f", "/g", RENAME_NOREPLACE), -EEXIST);
  assert.equal(w.rename("/f", "/g"), 0);
  assert.equal(w.read("/g"), "f");
  assert.equal(w.exists("/f"), -ENOENT);
  assert.equal(w.rename("/g", "/a"), -EISDIR);
  assert.equal(w.rename("/a", "/g"), -ENOTDIR);
  assert.equal(w.rename("/a", "/full"), -ENOTEMPTY);
  assert.equal(w.rename("/a", "/a/sub/x"), -EINVAL);
  assert.equal(w.rename("/a/sub", "/a"), -ENOTEMPTY);
  assert.equal(w.rename("/g/", "/h"), -ENOTDIR);
  assert.equal(w.rename("/a", "/c/"), 0);
  assert.equal(w.rename("/c", "/b"), 0);
  assert.equal(w.exists("/b/sub"), 0);
  assert.equal(w.rename("/g", "/full", RENAME_EXCHANGE), 0);
  assert.equal(w.read("/full"), "f");
  assert.equal(w.exists("/g/x"), 0);
  assert.equal(w.rename("/g/..", "/z"), -EBUSY);
  assert.equal(w.rename("/none", "/z"), -ENOENT);
  w.link("/full", "/same");
  // Two names of one file: nothing happens.
  assert.equal(w.rename("/full", "/same"), 0);
  assert.equal(w.exists("/full"), 0);
  assert.deepEqual(w.list("/").sort(), ["b", "full", "g", "same"]);
});

Deno.test("sticky directories protect what others made; set-group-ID directories give their group", () => {
  const w = new World();
  w.mkdir("/tmp");
  w.stat("/tmp").mode |= 0o1777;
  const one = w.user(1001);
  const two = w.user(1002);
  w.write("/tmp/one", "1", 0o1101, one);
  assert.equal(w.unlink("/tmp/one", two), -EPERM);
  assert.equal(w.rename("/tmp/one", "/tmp/two", 0, two), -EPERM);
  assert.equal(w.unlink("/tmp/one", one), 0);
  assert.equal(w.mkdir("/root-only/x", 0o755, one), -ENOENT);
  w.mkdir("/rootdir");
  assert.equal(w.mkdir("/rootdir/x", 0o755, one), -EACCES);
  w.mkdir("/shared");
  const shared = w.stat("/shared");
  shared.mode |= S_ISGID | 0o777;
  shared.gid = 50;
  w.write("/shared/f", "x", 0o1101, one);
  assert.equal(w.stat("/shared/f").gid, 50);
  w.mkdir("/shared/d", 0o755, one);
  assert.equal(w.stat("/shared/d").gid, 50);
  assert.ok((w.stat("/shared/d").mode & S_ISGID) !== 0);
});

Deno.test("umask cuts the mode of what is made", () => {
  const w = new World();
  w.root.fs.umask = 0o027;
  w.mkdir("/d", 0o777);
  assert.equal(w.stat("/d").mode & 0o7777, 0o750);
  assert.equal(w.vfs.mknod(w.root, AT_FDCWD, "/fifo", S_IFIFO | 0o666, 0), 0);
  assert.equal(w.stat("/fifo").mode, S_IFIFO | 0o640);
});

Deno.test("mounts cover, bind, move, turn read-only and go", () => {
  const w = new World();
  for (const d of ["/m", "/n", "/src", "/src/in"]) w.mkdir(d);
  w.write("/src/f", "f");
  const mount = (s: string, t: string, type: string, flags = 0, data = "") =>
    w.vfs.mount(w.root, s, t, type, flags, data);
  assert.equal(mount("none", "/m", "tmpfs", 0, "mode=700,size=1m"), 0);
  assert.equal(w.stat("/m").mode & 0o7777, 0o700);
  w.write("/m/x", "x");
  assert.equal(w.rename("/m/x", "/x"), -EXDEV);
  assert.equal(w.link("/m/x", "/x"), -EXDEV);
  assert.equal(w.rmdir("/m"), -EBUSY);
  assert.equal(mount("/src", "/n", "", MS_BIND), 0);
  assert.equal(w.read("/n/f"), "f");
  assert.equal(w.stat("/n/f"), w.stat("/src/f"));
  assert.equal(mount("", "/n", "", MS_REMOUNT | MS_BIND | MS_RDONLY), 0);
  assert.equal(w.openError("/n/f", 1), -EROFS);
  assert.equal(w.openError("/src/f", 1), 0);
  assert.equal(w.mkdir("/n/d"), -EROFS);
  assert.equal(w.unlink("/n/f"), -EROFS);
  // A file can be a mount point of a file.
  assert.equal(mount("/m/x", "/src/f", "", MS_BIND), 0);
  assert.equal(w.read("/src/f"), "x");
  assert.equal(w.read("/n/f"), "f");
  assert.equal(w.vfs.umount(w.root, "/src/f", 0), 0);
  assert.equal(w.read("/src/f"), "f");
  assert.equal(mount("none", "/src/in", "tmpfs"), 0);
  w.mkdir("/all");
  assert.equal(mount("/", "/all", "", MS_BIND | MS_REC), 0);
  assert.equal(w.read("/all/m/x"), "x");
  assert.equal(w.exists("/all/src/in"), 0);
  const f = w.open("/m/x");
  assert.equal(w.vfs.umount(w.root, "/m", 0), -EBUSY);
  assert.equal(w.vfs.umount(w.root, "/m", 2), 0);
  assert.equal(w.pread(f, 0, 1), "x");
  f.unref();
  assert.equal(w.exists("/m/x"), -ENOENT);
  assert.equal(w.exists("/all/m/x"), 0);
  assert.equal(mount("none", "/m", "nosuchfs"), -19);
  assert.equal(w.vfs.umount(w.root, "/m", 0), -EINVAL);
  assert.equal(w.vfs.mount(w.user(1), "none", "/m", "tmpfs", 0, ""), -EPERM);
});

Deno.test("pivot_root swaps the root; a copy of the namespace is of its own", () => {
  const w = new World();
  w.mkdir("/new");
  assert.equal(w.vfs.mount(w.root, "none", "/new", "tmpfs", 0, ""), 0);
  w.mkdir("/new/old");
  w.write("/here", "old root");
  const fs = w.root.fs.fork();
  const copy = w.ns.fork(fs);
  assert.equal(copy.mounts.length, 2);
  assert.equal(w.vfs.pivotRoot(w.root, "/new", "/new/old"), 0);
  assert.equal(w.read("/old/here"), "old root");
  assert.equal(w.exists("/here"), -ENOENT);
  const other = w.as(w.root.creds, fs);
  assert.equal(w.read("/here", other), "old root");
  assert.equal(w.exists("/new/old", 0, other), 0);
});
