import assert from "node:assert/strict";

import { EAGAIN, EFAULT, ENOENT, ERESTARTSYS } from "../../../../src/abi/errno.ts";
import { SYS, type SyscallName } from "../../../../src/abi/syscall_numbers.ts";
import { Flock, Pollfd, Stat } from "../../../../src/abi/structs/file.ts";
import { Rlimit } from "../../../../src/abi/structs/process.ts";
import { Sigaction, SiginfoChild } from "../../../../src/abi/structs/signal.ts";
import { Msghdr, SockaddrIn } from "../../../../src/abi/structs/socket.ts";
import { Timespec } from "../../../../src/abi/structs/time.ts";
import type { GuestMemory } from "../../../../src/sentry/strace/guest_view.ts";
import { Strace } from "../../../../src/sentry/strace/strace.ts";
import { table } from "../../../../src/sentry/syscalls/table.ts";

const BASE = 0x10000;

/** Memory of the application, with places in it handed out one after the other. */
class Memory implements GuestMemory {
  readonly bytes = new Uint8Array(0x10000);
  readonly view = new DataView(this.bytes.buffer);
  #next = 16;

  read(addr: number, dst: Uint8Array): number {
    if (addr < BASE || addr >= BASE + this.bytes.length) return -EFAULT;
    const count = Math.min(dst.length, BASE + this.bytes.length - addr);
    dst.set(this.bytes.subarray(addr - BASE, addr - BASE + count));
    return count;
  }

  put(content: string | Uint8Array): number {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content + "\0") : content;
    const at = this.#next;
    this.bytes.set(bytes, at);
    this.#next = Math.ceil((at + bytes.length + 1) / 16) * 16;
    return BASE + at;
  }

  value<T>(
    type: { size: number; write(view: DataView, offset: number, value: T): void },
    value: T,
  ): number {
    const at = this.put(new Uint8Array(type.size));
    type.write(this.view, at - BASE, value);
    return at;
  }
}

/** Traces calls and remembers the lines. */
class Trace {
  readonly memory = new Memory();
  readonly lines: string[] = [];
  readonly strace = new Strace((line) => this.lines.push(line));

  enter(tid: number, name: SyscallName, ...args: number[]): Float64Array {
    const all = new Float64Array(6);
    all.set(args);
    this.strace.enter(this.memory, tid, SYS[name], all);
    return all;
  }

  exit(tid: number, name: SyscallName, args: Float64Array, ret: number): void {
    this.strace.exit(this.memory, tid, SYS[name], args, ret);
  }

  call(name: SyscallName, args: number[], ret: number): string {
    this.exit(12, name, this.enter(12, name, ...args), ret);
    const last = this.lines[this.lines.length - 1];
    assert.ok(last.startsWith("[   12] "));
    return last.slice(8);
  }
}

Deno.test("paths, flags and results read as strace writes them", () => {
  const t = new Trace();
  const path = t.memory.put("/etc/ld.so.cache");
  assert.equal(
    t.call("openat", [-100, path, 0o2000000], 3),
    'openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3',
  );
  assert.equal(
    t.call("open", [path, 0o1101, 0o644], -ENOENT),
    'open("/etc/ld.so.cache", O_WRONLY|O_CREAT|O_TRUNC, 0644) = -1 ENOENT (No such file or directory)',
  );
  assert.equal(t.call("close", [3], 0), "close(3) = 0");
  assert.equal(t.call("umask", [0o22], 0o2), "umask(022) = 002");
  assert.equal(
    t.call("mmap", [0, 8192, 3, 0x22, -1, 0], 0x7f0000001000),
    "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000",
  );
  assert.equal(
    t.call("fcntl", [1, 3], 0o100002),
    "fcntl(1, F_GETFL) = 0x8002 (flags O_RDWR|O_LARGEFILE)",
  );
});

Deno.test("strings are escaped, and cut after 32 bytes", () => {
  const t = new Trace();
  const text = t.memory.put('a"b\\\n\x01\x017 and more that is too long to be shown');
  assert.equal(
    t.call("write", [1, text, 40], 40),
    'write(1, "a\\"b\\\\\\n\\1\\0017 and more that is too lo"..., 40) = 40',
  );
  assert.equal(t.call("write", [1, text, 3], 3), 'write(1, "a\\"b", 3) = 3');
  assert.equal(t.call("write", [1, 0, 3], -EFAULT), "write(1, NULL, 3) = -1 EFAULT (Bad address)");
});

Deno.test("what a call writes is printed after it returned, and only if it succeeded", () => {
  const t = new Trace();
  const at = t.memory.put(new Uint8Array(64));
  const args = t.enter(12, "read", 0, at, 64);
  t.memory.put("unused");
  t.memory.bytes.set(new TextEncoder().encode("hello"), at - BASE);
  t.exit(12, "read", args, 5);
  assert.equal(t.lines.pop(), '[   12] read(0, "hello", 64) = 5');
  assert.equal(
    t.call("read", [0, at, 64], -EAGAIN),
    `read(0, 0x${at.toString(16)}, 64) = -1 EAGAIN (Resource temporarily unavailable)`,
  );
});

Deno.test("what a call reads is printed as it was when it began", () => {
  const t = new Trace();
  const at = t.memory.put("/old");
  const args = t.enter(12, "execve", at, 0, 0);
  t.memory.bytes.set(new TextEncoder().encode("/new"), at - BASE);
  t.exit(12, "execve", args, 0);
  assert.equal(t.lines.pop(), '[   12] execve("/old", NULL, NULL) = 0');
});

Deno.test("structures are decoded", () => {
  const t = new Trace();
  const path = t.memory.put("/x");
  const stat = t.memory.value(Stat, { st_mode: 0o100644, st_size: 220 });
  assert.equal(
    t.call("stat", [path, stat], 0),
    'stat("/x", {st_mode=S_IFREG|0644, st_size=220, ...}) = 0',
  );
  const action = t.memory.value(Sigaction, {
    sa_handler: 1,
    sa_flags: 0x14000000,
    sa_restorer: 0x401000,
    sa_mask: { lo: 1 << 16, hi: 0 },
  });
  assert.equal(
    t.call("rt_sigaction", [2, action, 0, 8], 0),
    "rt_sigaction(SIGINT, {sa_handler=SIG_IGN, sa_mask=[CHLD], " +
      "sa_flags=SA_RESTORER|SA_RESTART, sa_restorer=0x401000}, NULL, 8) = 0",
  );
  const limit = t.memory.value(Rlimit, { rlim_cur: 8192 * 1024, rlim_max: -1 });
  assert.equal(
    t.call("prlimit64", [0, 3, 0, limit], 0),
    "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0",
  );
  const lock = t.memory.value(Flock, { l_type: 1, l_start: 5, l_len: 10 });
  assert.equal(
    t.call("fcntl", [3, 6, lock], 0),
    "fcntl(3, F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=5, l_len=10}) = 0",
  );
  const status = t.memory.put(Uint8Array.of(0, 3, 0, 0));
  assert.equal(
    t.call("wait4", [-1, status, 0, 0], 77),
    "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 77",
  );
  const pair = t.memory.put(Uint8Array.of(3, 0, 0, 0, 4, 0, 0, 0));
  assert.equal(t.call("pipe2", [pair, 0o2000000], 0), "pipe2([3, 4], O_CLOEXEC) = 0");
});

Deno.test("sockets and their messages are decoded", () => {
  const t = new Trace();
  const address = t.memory.value(SockaddrIn, { sin_family: 2, sin_port: 80, sin_addr: 0x7f000001 });
  assert.equal(
    t.call("socket", [2, 0o2000001, 6], 4),
    "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 4",
  );
  assert.equal(
    t.call("connect", [4, address, 16], 0),
    'connect(4, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
  );
  const iov = t.memory.put(new Uint8Array(16));
  t.memory.view.setUint32(iov - BASE, t.memory.put("hello"), true);
  t.memory.view.setUint32(iov - BASE + 8, 5, true);
  const message = t.memory.value(Msghdr, { msg_iov: iov, msg_iovlen: 1 });
  assert.equal(
    t.call("sendmsg", [4, message, 0x4000], 5),
    'sendmsg(4, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="hello", iov_len=5}], ' +
      "msg_iovlen=1, msg_controllen=0, msg_flags=0}, MSG_NOSIGNAL) = 5",
  );
});

Deno.test("poll tells what is ready", () => {
  const t = new Trace();
  const fds = t.memory.value(Pollfd, { fd: 3, events: 1, revents: 0x11 });
  assert.equal(
    t.call("poll", [fds, 1, -1], 1),
    "poll([{fd=3, events=POLLIN}], 1, -1) = 1 ([{fd=3, revents=POLLIN|POLLHUP}])",
  );
  assert.equal(
    t.call("poll", [fds, 1, 10], 0),
    "poll([{fd=3, events=POLLIN}], 1, 10) = 0 (Timeout)",
  );
});

Deno.test("a call that blocks comes in two lines, and trying it again prints nothing", () => {
  const t = new Trace();
  const at = t.memory.put("x");
  const args = t.enter(3, "read", 0, at, 1);
  t.strace.blocked(3);
  t.enter(3, "read", 0, at, 1);
  t.strace.blocked(3);
  t.call("getpid", [], 12);
  t.exit(3, "read", args, 1);
  assert.deepEqual(t.lines, [
    "[    3] read(0,  <unfinished ...>",
    "[   12] getpid() = 12",
    '[    3] <... read resumed>"x", 1) = 1',
  ]);
});

Deno.test("signals, restarts and ends are told", () => {
  const t = new Trace();
  const when = t.memory.value(Timespec, { tv_sec: 1 });
  assert.equal(
    t.call("nanosleep", [when, 0], -ERESTARTSYS),
    "nanosleep({tv_sec=1, tv_nsec=0}, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
  );
  const info = new DataView(new ArrayBuffer(SiginfoChild.size));
  SiginfoChild.write(info, 0, { si_signo: 17, si_code: 1, si_pid: 5, si_uid: 0, si_status: 2 });
  t.strace.signal(12, info);
  t.strace.signal(12, 15);
  t.enter(12, "exit_group", 2);
  t.strace.exited(12, 0x200);
  t.strace.exited(13, 0x8b);
  assert.deepEqual(t.lines.slice(1), [
    "[   12] --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=5, si_uid=0, si_status=2, " +
    "si_utime=0, si_stime=0} ---",
    "[   12] --- SIGTERM {si_signo=SIGTERM} ---",
    "[   12] exit_group(2) = ?",
    "[   12] +++ exited with 2 +++",
    "[   13] +++ killed by SIGSEGV (core dumped) +++",
  ]);
});

Deno.test("futex shows only the arguments that its operation has", () => {
  const t = new Trace();
  assert.equal(
    t.call("futex", [BASE, 129, 1, 99, 98, 97], 1),
    "futex(0x10000, FUTEX_WAKE_PRIVATE, 1) = 1",
  );
  assert.equal(
    t.call("futex", [BASE, 137 | 256, 2, 0, 0, -1], 0),
    "futex(0x10000, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 2, NULL, NULL, " +
      "FUTEX_BITSET_MATCH_ANY) = 0",
  );
});

Deno.test("a number that is no system call is shown with all arguments", () => {
  const t = new Trace();
  const args = Float64Array.of(1, -1, 0, 0, 0, 0);
  t.strace.enter(t.memory, 1, 999, args);
  t.strace.exit(t.memory, 1, 999, args, -38);
  assert.equal(
    t.lines[0],
    "[    1] syscall_0x3e7(0x1, 0xffffffffffffffff, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)",
  );
});

Deno.test("no arguments and no memory of the application can break it", () => {
  const t = new Trace();
  let state = 12345;
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
  const memories: GuestMemory[] = [
    t.memory,
    { read: () => -EFAULT },
    { read: () => 0 },
    { read: (_addr, dst) => dst.fill(0xff).length },
    { read: (_addr, dst) => dst.fill(0).length },
    { read: (_addr, dst) => (dst.fill(0x41), 1) },
    {
      read(_addr, dst) {
        for (let i = 0; i < dst.length; i++) dst[i] = random() * 256;
        return dst.length;
      },
    },
  ];
  const values = [
    0,
    1,
    -1,
    8,
    64,
    BASE,
    BASE + 0xfff0,
    2 ** 31,
    2 ** 32,
    2 ** 47,
    2 ** 53,
    -(2 ** 63),
  ];
  const results = [0, 1, 40, 2 ** 31, 2 ** 47, -EFAULT, -ERESTARTSYS, -0x40000001, -(2 ** 63)];
  for (let i = 0; i < t.memory.bytes.length; i++) t.memory.bytes[i] = random() * 256;
  for (const row of table) {
    for (let round = 0; round < 14; round++) {
      const args = new Float64Array(6);
      for (let i = 0; i < 6; i++) args[i] = values[Math.floor(random() * values.length)];
      const memory = memories[round % memories.length];
      t.strace.enter(memory, 1, row.nr, args);
      if (round % 3 === 0) t.strace.blocked(1);
      t.strace.exit(memory, 1, row.nr, args, results[Math.floor(random() * results.length)]);
    }
  }
  assert.ok(t.lines.length >= table.length * 14);
  assert.ok(t.lines.every((line) => line.length < 34000 && !line.includes("\n")));
});
