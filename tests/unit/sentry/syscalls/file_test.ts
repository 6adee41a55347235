import assert from "node:assert/strict";
import {
  EBADF,
  EEXIST,
  EFAULT,
  EINVAL,
  EMFILE,
  ENOENT,
  ERANGE,
  ESPIPE,
} from "../../../../src/abi/errno.ts";
import { Stat } from "../../../../src/abi/structs/file.ts";
import { Pipe } from "../../../../src/sentry/fs/pipe/pipe.ts";
import { PipeFile } from "../../../../src/sentry/fs/pipe/pipe_file.ts";
import { BLOCKED } from "../../../../src/sentry/kernel/wait.ts";
import * as attr from "../../../../src/sentry/syscalls/attr.ts";
import * as dir from "../../../../src/sentry/syscalls/dir.ts";
import * as fcntl from "../../../../src/sentry/syscalls/fcntl.ts";
import * as open from "../../../../src/sentry/syscalls/open.ts";
import * as path from "../../../../src/sentry/syscalls/path.ts";
import * as rw from "../../../../src/sentry/syscalls/rw.ts";
import * as stat from "../../../../src/sentry/syscalls/stat.ts";
import * as transfer from "../../../../src/sentry/syscalls/transfer.ts";
import * as xattr from "../../../../src/sentry/syscalls/xattr.ts";
import { pipePath } from "../../../../src/sentry/vfs/anon.ts";
import { World } from "../vfs/harness.ts";
import { FakeTask } from "./fake_task.ts";

function task(): FakeTask {
  return new FakeTask(new World());
}

function pipe(t: FakeTask): [number, number] {
  const p = new Pipe();
  const at = pipePath(t.kernel.vfs, 0o10600, 0, 0);
  return [
    t.files.install(new PipeFile(at, 0, p), false),
    t.files.install(new PipeFile(at, 1, p), false),
  ];
}

Deno.test("files are opened, written, read back and closed through the system calls", () => {
  const t = task();
  assert.equal(t.call(open.sys_open, "/f", 0, 0), -ENOENT);
  const fd = t.call(open.sys_open, "/f", 0o102, 0o644);
  assert.equal(fd, 0);
  t.fill("hello");
  assert.equal(t.call(rw.sys_write, fd, t.buffer, 5), 5);
  assert.equal(t.call(rw.sys_pread64, fd, t.buffer + 100, 10, 1), 4);
  assert.equal(t.text(4, 100), "ello");
  assert.equal(t.call(rw.sys_lseek, fd, 0, 1), 5);
  assert.equal(t.call(rw.sys_read, fd, t.buffer, 1), 0);
  assert.equal(t.call(rw.sys_pread64, fd, 8, 10, 1), -EFAULT);
  assert.equal(t.call(rw.sys_pread64, fd, t.buffer, 10, -1), -EINVAL);
  assert.equal(t.call(stat.sys_fstat, fd, t.buffer), 0);
  const st = Stat.read(t.data(144), 0);
  assert.equal(st.st_size, 5);
  assert.equal(st.st_mode, 0o100644);
  assert.equal(t.call(open.sys_close, fd), 0);
  assert.equal(t.call(open.sys_close, fd), -EBADF);
  assert.equal(t.call(open.sys_open, 8, 0, 0), -EFAULT);
  assert.equal(t.call(stat.sys_stat, "/f", 8), -EFAULT);
});

Deno.test("directories are listed in pieces that fit", () => {
  const t = task();
  for (let i = 0; i < 100; i++) t.call(path.sys_mkdir, `/d${i}`, 0o755);
  const fd = t.call(open.sys_open, "/", 0o200000, 0);
  assert.equal(t.call(dir.sys_getdents64, fd, t.buffer, 10), -EINVAL);
  const names = new Set<string>();
  let calls = 0;
  for (let n; (n = t.call(dir.sys_getdents64, fd, t.buffer, 300)) > 0; calls++) {
    const v = t.data(n);
    for (let at = 0; at < n; at += v.getUint16(at + 16, true)) {
      let name = "";
      for (let i = at + 19; v.getUint8(i) !== 0; i++) name += String.fromCharCode(v.getUint8(i));
      assert.equal(v.getUint8(at + 18), 4);
      names.add(name);
    }
  }
  assert.equal(names.size, 102);
  assert.ok(calls > 5);
});

Deno.test("descriptors obey their limit and fcntl", () => {
  const t = task();
  t.group.rlimits.soft[7] = 4;
  for (let i = 0; i < 4; i++) assert.equal(t.call(open.sys_open, "/", 0, 0), i);
  assert.equal(t.call(open.sys_open, "/", 0, 0), -EMFILE);
  assert.equal(t.call(open.sys_dup, 0), -EMFILE);
  assert.equal(t.call(fcntl.sys_fcntl, 0, 0, 4), -EINVAL);
  assert.equal(t.call(open.sys_dup2, 0, 4), -EBADF);
  assert.equal(t.call(open.sys_dup2, 0, 3), 3);
  assert.equal(t.call(fcntl.sys_fcntl, 0, 4, 0o4000), 0);
  assert.equal(t.call(fcntl.sys_fcntl, 3, 3, 0) & 0o4000, 0o4000);
});

Deno.test("a write that does not fit into a pipe waits with what it has done, and goes on", () => {
  const t = task();
  const [r, w] = pipe(t);
  const size = 100_000;
  assert.equal(t.call(rw.sys_write, w, t.buffer, size), BLOCKED);
  assert.equal(t.block.progress, 65536);
  assert.equal(t.waits.length, 1);
  const progress = t.block.progress;
  assert.equal(t.call(rw.sys_read, r, t.buffer, 65536), 65536);
  // The kernel runs the same call again.
  t.args.set([w, t.buffer, size]);
  t.block.progress = progress;
  assert.equal(rw.sys_write(t as never), size);
  assert.equal(t.call(rw.sys_read, r, t.buffer, size), size - 65536);
  assert.equal(t.call(rw.sys_read, r, t.buffer, 1), BLOCKED);
  assert.equal(t.call(rw.sys_pread64, r, t.buffer, 1, 0), -ESPIPE);
  assert.equal(t.call(open.sys_close, w), 0);
  assert.equal(t.call(rw.sys_read, r, t.buffer, 1), 0);
});

Deno.test("bytes move between files and pipes inside the kernel", () => {
  const t = task();
  const [r, w] = pipe(t);
  const a = t.call(open.sys_open, "/a", 0o102, 0o644);
  const b = t.call(open.sys_open, "/b", 0o102, 0o644);
  t.fill("x".repeat(300_000) + "end");
  assert.equal(t.call(rw.sys_write, a, t.buffer, 300_003), 300_003);
  t.call(rw.sys_lseek, a, 0, 0);
  assert.equal(t.call(transfer.sys_sendfile, b, a, 0, 1e9), 300_003);
  assert.equal(t.call(rw.sys_pread64, b, t.buffer, 10, 300_000), 3);
  assert.equal(t.text(3), "end");
  t.call(rw.sys_lseek, a, 0, 0);
  assert.equal(t.call(transfer.sys_splice, a, 0, w, 0, 1e6, 0), 65536);
  assert.equal(t.call(transfer.sys_splice, a, 0, w, 0, 1, 2), -11);
  t.call(rw.sys_lseek, b, 0, 0);
  assert.equal(t.call(transfer.sys_splice, r, 0, b, 0, 1e6, 0), 65536);
  assert.equal(t.call(transfer.sys_splice, r, 0, b, 0, 1e6, 0), BLOCKED);
  assert.equal(t.call(transfer.sys_copy_file_range, a, 0, b, 0, 1e6, 0), 300_003 - 65536);
});

Deno.test("attributes, links and directories of the working kind", () => {
  const t = task();
  t.call(path.sys_mkdir, "/d", 0o755);
  assert.equal(t.call(dir.sys_chdir, "d"), 0);
  assert.equal(t.call(dir.sys_getcwd, t.buffer, 2), -ERANGE);
  assert.equal(t.call(dir.sys_getcwd, t.buffer, 100), 3);
  assert.equal(t.text(2), "/d");
  assert.equal(t.call(path.sys_symlink, "target", "l"), 0);
  assert.equal(t.call(path.sys_readlink, "/d/l", t.buffer, 3), 3);
  assert.equal(t.text(3), "tar");
  assert.equal(t.call(attr.sys_access, "l", 0), -ENOENT);
  t.call(open.sys_creat, "f", 0o600);
  assert.equal(t.call(attr.sys_chmod, "f", 0o4755), 0);
  assert.equal(t.call(attr.sys_chown, "f", 5, -1), 0);
  assert.equal(t.kernel.vfs.locate(t as never, -100, "f", 0) instanceof Object, true);
  t.fill("value");
  assert.equal(t.call(xattr.sys_setxattr, "f", "user.k", t.buffer, 5, 0), 0);
  assert.equal(t.call(xattr.sys_setxattr, "f", "user.k", t.buffer, 5, 1), -EEXIST);
  assert.equal(t.call(xattr.sys_getxattr, "f", "user.k", t.buffer, 3), -ERANGE);
  assert.equal(t.call(xattr.sys_listxattr, "f", t.buffer, 100), 7);
  assert.equal(t.call(xattr.sys_getxattr, "f", "bad.k", t.buffer, 3), -95);
  assert.equal(t.call(open.sys_openat2, -100, "f", t.buffer, 24), -EINVAL);
});
