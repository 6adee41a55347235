import assert from "node:assert/strict";
import {
  EACCES,
  EEXIST,
  EISDIR,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  EXDEV,
} from "../../../../src/abi/errno.ts";
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDWR,
  O_TMPFILE,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from "../../../../src/abi/fcntl.ts";
import { pathName } from "../../../../src/sentry/vfs/path.ts";
import { World } from "./harness.ts";

function world(): World {
  const w = new World();
  for (const d of ["/a", "/a/b", "/a/b/c", "/tmp"]) assert.equal(w.mkdir(d), 0);
  w.write("/a/file", "hello");
  return w;
}

Deno.test("a walk goes down, up, and never above the root", () => {
  const w = world();
  assert.equal(w.exists("/a/b/c"), 0);
  assert.equal(w.exists("/a//b/./../b/c/."), 0);
  assert.equal(w.stat("/../../a/.."), w.stat("/"));
  assert.equal(w.exists("/a/x"), -ENOENT);
  assert.equal(w.exists("/a/x/y"), -ENOENT);
  assert.equal(w.exists("/a/file/y"), -ENOTDIR);
  assert.equal(w.exists("/a/file/"), -ENOTDIR);
  assert.equal(w.exists("/a/file/."), -ENOTDIR);
  assert.equal(w.exists(""), -ENOENT);
  assert.equal(w.exists("/" + "n".repeat(256)), -ENAMETOOLONG);
  assert.equal(w.exists("/" + "n".repeat(255)), -ENOENT);
});

Deno.test("links are followed but for the last one when that is asked, and only forty of them", () => {
  const w = world();
  w.symlink("b/c", "/a/rel");
  w.symlink("/a/b", "/abs");
  w.symlink("nowhere", "/dangling");
  assert.equal(w.stat("/a/rel"), w.stat("/a/b/c"));
  assert.equal(w.stat("/abs/c"), w.stat("/a/b/c"));
  assert.ok(w.stat("/abs", AT_SYMLINK_NOFOLLOW).isLink);
  // A slash at the end asks for the directory.
  assert.ok(w.stat("/abs/", AT_SYMLINK_NOFOLLOW).isDir);
  assert.equal(w.exists("/dangling"), -ENOENT);
  assert.equal(w.exists("/dangling", AT_SYMLINK_NOFOLLOW), 0);
  w.symlink("loop", "/loop");
  assert.equal(w.exists("/loop"), -ELOOP);
  w.symlink("/a", "/l0");
  for (let i = 1; i < 41; i++) w.symlink(`/l${i - 1}`, `/l${i}`);
  assert.equal(w.exists("/l39"), 0);
  assert.equal(w.exists("/l40"), -ELOOP);
});

Deno.test("remembered walks do not outlive changes", () => {
  const w = world();
  for (let i = 0; i < 2; i++) assert.equal(w.exists("/a/b/c"), 0);
  w.rename("/a/b", "/a/z");
  assert.equal(w.exists("/a/b/c"), -ENOENT);
  assert.equal(w.exists("/a/z/c"), 0);
  for (let i = 0; i < 2; i++) assert.equal(w.exists("/new"), -ENOENT);
  w.write("/new", "x");
  assert.equal(w.exists("/new"), 0);
  assert.equal(w.unlink("/new"), 0);
  assert.equal(w.exists("/new"), -ENOENT);
  for (let i = 0; i < 2; i++) assert.equal(w.stat("/a/file").isRegular, true);
  w.unlink("/a/file");
  w.symlink("/a/z", "/a/file");
  assert.equal(w.stat("/a/file").isDir, true);
  assert.equal(w.stat("/a/file", AT_SYMLINK_NOFOLLOW).isLink, true);
});

Deno.test("directories that may not be searched stop a walk", () => {
  const w = world();
  const user = w.user(1000);
  assert.equal(w.exists("/a/file", 0, user), 0);
  w.mkdir("/a/private", 0o700);
  w.write("/a/private/f", "x");
  assert.equal(w.exists("/a/private", 0, user), 0);
  assert.equal(w.exists("/a/private/f", 0, user), -EACCES);
  assert.equal(w.exists("/a/private/f"), 0);
});

Deno.test("open obeys O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW and O_PATH", () => {
  const w = world();
  assert.equal(w.openError("/a/new", O_RDWR), -ENOENT);
  assert.equal(w.openError("/a/new", O_RDWR | O_CREAT), 0);
  assert.equal(w.openError("/a/new", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
  assert.equal(w.openError("/a", O_WRONLY), -EISDIR);
  assert.equal(w.openError("/a", O_RDWR | O_CREAT), -EISDIR);
  assert.equal(w.openError("/a/new/", O_RDWR | O_CREAT), -EISDIR);
  assert.equal(w.openError("/a/file", O_DIRECTORY), -ENOTDIR);
  w.symlink("file", "/a/link");
  assert.equal(w.openError("/a/link", O_NOFOLLOW), -ELOOP);
  assert.equal(w.openError("/a/link", O_CREAT | O_EXCL | O_WRONLY), -EEXIST);
  const p = w.open("/a/link", O_NOFOLLOW | O_PATH);
  assert.ok(p.inode.isLink);
  p.unref();
  // Creating through a dangling link makes what it names.
  w.symlink("/a/b/made", "/a/dangling");
  assert.equal(w.openError("/a/dangling", O_CREAT | O_WRONLY), 0);
  assert.equal(w.exists("/a/b/made"), 0);
});

Deno.test("a file made without write permission can still be written by who made it", () => {
  const w = world();
  assert.equal(w.vfs.mkdir(w.root, AT_FDCWD, "/pub", 0o777), 0);
  w.stat("/pub").mode |= 0o777;
  const user = w.user(1000);
  const f = w.open("/pub/ro", O_CREAT | O_RDWR, 0o400, user);
  assert.equal(f.writable, true);
  assert.equal(f.inode.uid, 1000);
  assert.equal(w.openError("/pub/ro", O_RDWR, 0, user), -EACCES);
  f.unref();
});

Deno.test("openat2 confines a walk", () => {
  const w = world();
  w.symlink("/a/file", "/a/b/abs");
  w.symlink("../file", "/a/b/up");
  const dir = w.open("/a/b", O_DIRECTORY);
  const fd = w.root.files!.install(dir, false);
  const open = (path: string, resolve: number) => {
    const f = w.vfs.open(w.root, fd, path, 0, 0, resolve);
    if (typeof f === "number") return f;
    f.unref();
    return 0;
  };
  assert.equal(open("../file", 0), 0);
  assert.equal(open("../file", RESOLVE_BENEATH), -EXDEV);
  assert.equal(open("/a/file", RESOLVE_BENEATH), -EXDEV);
  assert.equal(open("abs", RESOLVE_BENEATH), -EXDEV);
  assert.equal(open("up", RESOLVE_BENEATH), -EXDEV);
  assert.equal(open("c/../c", RESOLVE_BENEATH), 0);
  assert.equal(open("up", RESOLVE_NO_SYMLINKS), -ELOOP);
  assert.equal(open("/../c", RESOLVE_IN_ROOT), 0);
  assert.equal(open("abs", RESOLVE_IN_ROOT), -ENOENT);
  assert.equal(w.vfs.mount(w.root, "x", "/a/b/c", "tmpfs", 0, ""), 0);
  assert.equal(open("c", RESOLVE_NO_XDEV), -EXDEV);
});

Deno.test("O_TMPFILE gives a file that has no name until it is linked", () => {
  const w = world();
  const f = w.open("/tmp", O_TMPFILE | O_RDWR, 0o600);
  assert.equal(f.inode.nlink, 0);
  assert.equal(w.pwrite(f, "data", 0), 4);
  assert.deepEqual(w.list("/tmp"), []);
  const name = pathName(f.path, w.root.fs.root);
  assert.match(name, /^\/tmp\/#\d+ \(deleted\)$/);
  f.unref();
});

Deno.test("names of places are absolute, and tell what was removed", () => {
  const w = world();
  const dir = w.open("/a/b/c", O_DIRECTORY);
  assert.equal(pathName(dir.path, w.root.fs.root), "/a/b/c");
  w.rename("/a/b", "/moved");
  assert.equal(pathName(dir.path, w.root.fs.root), "/moved/c");
  w.rmdir("/moved/c");
  assert.equal(pathName(dir.path, w.root.fs.root), "/moved/c (deleted)");
  dir.unref();
});

Deno.test("the cache of names drops what is unused", () => {
  const w = world();
  w.vfs.dentries.limit = 100;
  for (let i = 0; i < 1000; i++) assert.equal(w.exists(`/a/none${i}`), -ENOENT);
  assert.ok(w.vfs.dentries.count <= 200, `${w.vfs.dentries.count}`);
  assert.equal(w.exists("/a/b/c"), 0);
  assert.equal(w.read("/a/file"), "hello");
});
