import assert from "node:assert/strict";
import * as libc from "../../../../ffi/libc.ts";
import { EEXIST, ENOENT, ENOTEMPTY } from "../../../../src/abi/errno.ts";
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDWR,
  RENAME_EXCHANGE,
} from "../../../../src/abi/fcntl.ts";
import { HostFileSystem } from "../../../../src/sentry/fs/hostfs/host_file_system.ts";
import { OverlayFileSystem } from "../../../../src/sentry/fs/overlay/overlay_file_system.ts";
import { changeMode } from "../../../../src/sentry/vfs/attributes.ts";
import { World } from "../vfs/harness.ts";

class Fixture implements Disposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "overlay" });
  readonly w: World;
  private readonly before: string;

  constructor() {
    const d = this.dir;
    Deno.mkdirSync(`${d}/dir/sub`, { recursive: true });
    Deno.writeTextFileSync(`${d}/dir/a`, "lower a");
    Deno.writeTextFileSync(`${d}/dir/sub/b`, "lower b");
    Deno.writeTextFileSync(`${d}/big`, "0123456789abcdef".repeat(4096));
    Deno.writeTextFileSync(`${d}/f`, "lower f");
    Deno.linkSync(`${d}/f`, `${d}/hard`);
    Deno.symlinkSync("dir/a", `${d}/link`);
    this.before = this.snapshot();
    this.w = new World((ctx) => {
      const fd = libc.open(libc.cstr(d), O_PATH | O_DIRECTORY, 0);
      return new OverlayFileSystem(ctx.kernel.vfs, new HostFileSystem(ctx.kernel.vfs, fd, false));
    });
  }

  private snapshot(dir = this.dir): string {
    let s = "";
    for (const e of [...Deno.readDirSync(dir)].sort((a, b) => a.name < b.name ? -1 : 1)) {
      const st = Deno.lstatSync(`${dir}/${e.name}`);
      s += `${e.name} ${st.mode} ${st.size} ${st.mtime?.getTime()}\n`;
      if (e.isDirectory) s += this.snapshot(`${dir}/${e.name}`);
    }
    return s;
  }

  [Symbol.dispose](): void {
    assert.equal(this.snapshot(), this.before, "the lower tree changed");
    Deno.removeSync(this.dir, { recursive: true });
  }
}

Deno.test("the lower tree shows through, with stable numbers", () => {
  using x = new Fixture();
  const { w } = x;
  assert.deepEqual(w.list("/").sort(), ["big", "dir", "f", "hard", "link"]);
  assert.equal(w.read("/dir/a"), "lower a");
  assert.equal(w.read("/link"), "lower a");
  const ino = w.stat("/dir/a").ino;
  assert.equal(ino, Deno.statSync(`${x.dir}/dir/a`).ino);
  assert.equal(w.stat("/f"), w.stat("/hard"));
  w.write("/dir/a", "upper");
  assert.equal(w.stat("/dir/a").ino, ino);
  assert.equal(w.read("/dir/a"), "upper");
  w.vfs.dentries.limit = 0;
  for (let i = 0; i < 20; i++) w.exists(`/none${i}`);
  assert.equal(w.read("/dir/a"), "upper");
});

Deno.test("writing keeps the rest of the file, and only above", () => {
  using x = new Fixture();
  const { w } = x;
  const f = w.open("/big", O_RDWR);
  const early = w.open("/big");
  assert.equal(w.pwrite(f, "XX", 5000), 2);
  assert.equal(w.pread(f, 4998, 6), "67XXab");
  assert.equal(w.pread(early, 4998, 6), "67XXab");
  assert.equal(w.pread(f, 65520, 20), "0123456789abcdef");
  assert.equal(f.truncate(w.root, 10000), 0);
  assert.equal(f.truncate(w.root, 20000), 0);
  assert.equal(w.pread(f, 9998, 6), "ef\0\0\0\0");
  assert.equal(w.pread(f, 16384, 4), "\0\0\0\0");
  assert.equal(f.fallocate(w.root, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 8191), 0);
  assert.equal(w.pread(f, 0, 3), "0\0\0");
  assert.equal(w.pread(f, 4096, 3), "\0\0\0");
  assert.equal(w.pread(f, 8192, 3), "012");
  f.unref();
  early.unref();
  const a = w.open("/f", O_RDWR | O_APPEND);
  assert.equal(w.pwrite(a, "+", a.inode.size), 1);
  a.unref();
  assert.equal(w.read("/hard"), "lower f+");
});

Deno.test("removed names stay removed, and may be made anew", () => {
  using x = new Fixture();
  const { w } = x;
  assert.equal(w.unlink("/dir/a"), 0);
  assert.equal(w.exists("/dir/a"), -ENOENT);
  assert.deepEqual(w.list("/dir"), ["sub"]);
  assert.equal(w.rmdir("/dir"), -ENOTEMPTY);
  assert.equal(w.unlink("/dir/sub/b"), 0);
  assert.equal(w.rmdir("/dir/sub"), 0);
  assert.equal(w.rmdir("/dir"), 0);
  assert.equal(w.mkdir("/dir"), 0);
  assert.deepEqual(w.list("/dir"), []);
  assert.equal(w.exists("/dir/a"), -ENOENT);
  w.write("/dir/a", "new");
  assert.equal(w.read("/dir/a"), "new");
  assert.equal(w.openError("/f", O_CREAT | 0o200 | 1), -EEXIST);
});

Deno.test("directories of the lower tree move whole", () => {
  using x = new Fixture();
  const { w } = x;
  assert.equal(w.rename("/dir", "/moved"), 0);
  assert.equal(w.exists("/dir"), -ENOENT);
  assert.equal(w.read("/moved/sub/b"), "lower b");
  assert.equal(w.mkdir("/dir"), 0);
  assert.deepEqual(w.list("/dir"), []);
  assert.equal(w.rename("/moved/sub", "/dir/sub"), 0);
  assert.equal(w.read("/dir/sub/b"), "lower b");
  assert.deepEqual(w.list("/moved"), ["a"]);
  assert.equal(w.rename("/f", "/moved/a", RENAME_EXCHANGE), 0);
  assert.equal(w.read("/f"), "lower a");
  assert.equal(w.read("/moved/a"), "lower f");
  assert.equal(w.unlink("/f"), 0);
  assert.equal(w.exists("/f"), -ENOENT);
  assert.equal(w.read("/hard"), "lower f");
  assert.deepEqual(w.list("/").sort(), ["big", "dir", "hard", "link", "moved"]);
});

Deno.test("attributes change above and survive the cache", () => {
  using x = new Fixture();
  const { w } = x;
  w.stat("/dir/sub/b");
  assert.equal(changeMode(w.root, w.vfs.walk.mount, w.vfs.walk.dentry, 0o600), 0);
  assert.equal(w.stat("/dir/sub/b").setxattr(w.root, "user.k", new Uint8Array([7]), 0), 0);
  w.vfs.dentries.limit = 0;
  for (let i = 0; i < 20; i++) w.exists(`/none${i}`);
  const b = w.stat("/dir/sub/b");
  assert.equal(b.mode & 0o7777, 0o600);
  assert.deepEqual(b.listxattr(w.root), ["user.k"]);
  assert.equal(w.read("/dir/sub/b"), "lower b");
});
