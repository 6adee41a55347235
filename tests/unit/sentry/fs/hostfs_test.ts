import assert from "node:assert/strict";
import * as libc from "../../../../ffi/libc.ts";
import { ENOENT, ENXIO, EROFS } from "../../../../src/abi/errno.ts";
import {
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDWR,
} from "../../../../src/abi/fcntl.ts";
import { HostFileSystem } from "../../../../src/sentry/fs/hostfs/host_file_system.ts";
import { changeTimes, TimeChoice } from "../../../../src/sentry/vfs/attributes.ts";
import { World } from "../vfs/harness.ts";

function hostDir(): string {
  const dir = Deno.makeTempDirSync({ prefix: "hostfs" });
  Deno.mkdirSync(`${dir}/root/sub/deep`, { recursive: true });
  Deno.writeTextFileSync(`${dir}/root/file`, "content");
  Deno.writeTextFileSync(`${dir}/root/sub/other`, "other");
  Deno.writeTextFileSync(`${dir}/secret`, "secret");
  Deno.symlinkSync("../secret", `${dir}/root/escape`);
  Deno.symlinkSync(`${dir}/secret`, `${dir}/root/absolute`);
  Deno.symlinkSync("sub/other", `${dir}/root/inside`);
  Deno.chmodSync(`${dir}/root`, 0o755);
  return dir;
}

function hostWorld(dir: string, writable = false, shared = false): World {
  return new World((ctx) => {
    const fd = libc.open(libc.cstr(`${dir}/root`), O_PATH | O_DIRECTORY, 0);
    return new HostFileSystem(ctx.kernel.vfs, fd, writable, null, shared);
  });
}

Deno.test("a host tree is read with its attributes, and links never leave it", () => {
  const dir = hostDir();
  const w = hostWorld(dir);
  assert.equal(w.read("/file"), "content");
  assert.equal(w.read("/inside"), "other");
  assert.deepEqual(w.list("/").sort(), ["absolute", "escape", "file", "inside", "sub"]);
  const st = Deno.statSync(`${dir}/root/file`);
  const i = w.stat("/file");
  assert.equal(i.ino, st.ino);
  assert.equal(i.size, 7);
  assert.equal(i.mode, st.mode);
  assert.equal(i.mtimeSec, Math.floor(st.mtime!.getTime() / 1000));
  assert.equal(w.exists("/escape"), -ENOENT);
  assert.equal(w.exists("/absolute"), -ENOENT);
  assert.equal(w.exists("/escape", AT_SYMLINK_NOFOLLOW), 0);
  assert.equal(w.exists("/sub/../../secret"), -ENOENT);
  assert.equal(w.openError("/file", O_RDWR), -EROFS);
  assert.equal(w.mkdir("/x"), -EROFS);
  Deno.removeSync(dir, { recursive: true });
});

Deno.test("what was read once is not asked of the host again", () => {
  const dir = hostDir();
  const w = hostWorld(dir);
  assert.equal(w.read("/file"), "content");
  assert.equal(w.exists("/none"), -ENOENT);
  w.list("/sub");
  Deno.writeTextFileSync(`${dir}/root/file`, "CHANGED");
  Deno.writeTextFileSync(`${dir}/root/none`, "");
  Deno.writeTextFileSync(`${dir}/root/sub/new`, "");
  assert.equal(w.read("/file"), "content");
  assert.equal(w.exists("/none"), -ENOENT);
  assert.equal(w.exists("/sub/new"), -ENOENT);
  assert.deepEqual(w.list("/sub").sort(), ["deep", "other"]);
  Deno.removeSync(dir, { recursive: true });
});

Deno.test("fifos and sockets of the host are not opened there", () => {
  const dir = hostDir();
  libc.mknodat(-100, libc.cstr(`${dir}/root/fifo`), 0o10644, 0);
  const l = Deno.listen({ transport: "unix", path: `${dir}/root/sock` });
  const w = hostWorld(dir);
  assert.equal(w.openError("/fifo"), -ENXIO);
  assert.equal(w.openError("/sock"), -ENXIO);
  l.close();
  Deno.removeSync(dir, { recursive: true });
});

Deno.test("a writable host tree gets what is done in it", () => {
  const dir = hostDir();
  const w = hostWorld(dir, true);
  const host = (p: string) => `${dir}/root/${p}`;
  w.write("/file", "new content");
  assert.equal(Deno.readTextFileSync(host("file")), "new content");
  const f = w.open("/made", O_CREAT | O_RDWR, 0o640);
  assert.equal(w.pwrite(f, "abc", 5), 3);
  assert.equal(f.fsync(w.root, false), 0);
  assert.equal(Deno.readTextFileSync(host("made")), "\0\0\0\0\0abc");
  assert.equal(f.truncate(w.root, 6), 0);
  assert.equal(Deno.statSync(host("made")).size, 6);
  assert.equal(Deno.statSync(host("made")).mode! & 0o7777, 0o640 & ~0o22);
  assert.equal(w.rename("/made", "/sub/moved"), 0);
  assert.equal(w.pwrite(f, "zz", 0), 2);
  assert.equal(w.unlink("/sub/moved"), 0);
  assert.equal(w.pread(f, 0, 6), "zz\0\0\0a");
  f.unref();
  assert.equal(w.mkdir("/d", 0o700), 0);
  assert.equal(w.symlink("target", "/d/l"), 0);
  assert.equal(Deno.readLinkSync(host("d/l")), "target");
  assert.equal(w.link("/file", "/d/hard"), 0);
  assert.equal(w.stat("/d/hard"), w.stat("/file"));
  assert.equal(Deno.statSync(host("file")).nlink, 2);
  assert.equal(w.rename("/d", "/e"), 0);
  assert.equal(w.read("/e/hard"), "new content");
  assert.deepEqual(w.list("/e").sort(), ["hard", "l"]);
  // Times that are set while data waits to be written back are those that stay.
  const t = w.open("/e/hard", O_RDWR);
  w.pwrite(t, "late", 0);
  const time = new TimeChoice();
  time.kind = 2;
  time.sec = 1_000_000_000;
  assert.equal(changeTimes(w.root, t.path.mount, t.path.dentry, time, time), 0);
  t.unref();
  assert.equal(Deno.statSync(host("file")).mtime!.getTime(), 1e12);
  assert.equal(Deno.readTextFileSync(host("file")), "latecontent");
  w.unlink("/e/hard");
  w.unlink("/e/l");
  assert.equal(w.rmdir("/e"), 0);
  assert.throws(() => Deno.statSync(host("e")));
  Deno.removeSync(dir, { recursive: true });
});

Deno.test("a shared tree shows what others do on the host", () => {
  const dir = hostDir();
  const w = hostWorld(dir, true, true);
  const host = (p: string) => `${dir}/root/${p}`;
  assert.equal(w.read("/file"), "content");
  assert.equal(w.exists("/none"), -ENOENT);
  assert.equal(w.list("/sub").length, 2);
  Deno.writeTextFileSync(host("file"), "changed by the host");
  Deno.writeTextFileSync(host("none"), "new");
  Deno.removeSync(host("sub/other"));
  assert.equal(w.read("/file"), "changed by the host");
  assert.equal(w.read("/none"), "new");
  assert.deepEqual(w.list("/sub"), ["deep"]);
  assert.equal(w.exists("/sub/other"), -ENOENT);
  assert.equal(w.exists("/inside"), -ENOENT);
  // A reader at the end sees what is appended.
  const f = w.open("/none");
  assert.equal(w.pread(f, 0, 10), "new");
  Deno.writeTextFileSync(host("none"), "er", { append: true });
  assert.equal(w.pread(f, 3, 10), "er");
  // What was written here stays until it is written back, and is not taken for the host's doing.
  const g = w.open("/none", O_RDWR);
  assert.equal(w.pwrite(g, "N", 0), 1);
  assert.equal(w.read("/none"), "Newer");
  g.unref();
  assert.equal(Deno.readTextFileSync(host("none")), "Newer");
  // A file put in the place of another is another file.
  Deno.writeTextFileSync(host("tmp"), "replaced");
  Deno.renameSync(host("tmp"), host("none"));
  assert.equal(w.read("/none"), "replaced");
  assert.equal(w.pread(f, 0, 10), "Newer");
  f.unref();
  Deno.removeSync(dir, { recursive: true });
});
