/** Host processes that the sandbox's tools start: programs, and keepers that hold an exit status for others. */

import { NativeImage } from "./native.ts";
import { emitRunInChild, SyscallProgram } from "./spawn.ts";
import { addressOf, cstr, sys, sys1 } from "./syscall.ts";

const SYS = {
  read: 0,
  close: 3,
  poll: 7,
  rt_sigaction: 13,
  rt_sigprocmask: 14,
  dup2: 33,
  execve: 59,
  wait4: 61,
  fcntl: 72,
  chdir: 80,
  setsid: 112,
  pivot_root: 155,
  prctl: 157,
  mount: 165,
  umount2: 166,
  exit_group: 231,
  pidfd_open: 434,
  close_range: 436,
};
const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
const CLONE_NEWNS = 0x20000;
const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SLAVE = 0x80000;
/** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC. */
const PROC_FLAGS = 0xf;
const MNT_DETACH = 2;
const SIGKILL = 9;
const SIGCHLD = 17;
const PR_SET_PDEATHSIG = 1;
const EPERM = 1;
const EINVAL = 22;
const SIGPIPE = 13;
const CLOSE_RANGE_CLOEXEC = 4;
const F_DUPFD_CLOEXEC = 1030;
const PR_SET_NAME = 15;
/** Descriptors on their way to a child stay above those it gets. */
const HIGH_FD = 256;

const image = new NativeImage("runsc-spawn").add("run_in_child", emitRunInChild, {
  parameters: ["buffer", "u32", "u32", "buffer", "u32"],
  result: "i32",
  cold: true,
});

function runInChild(program: SyscallProgram, flags: number): number {
  const stack = new Uint8Array(16384);
  const native = image.load();
  return native.run_in_child(program.bytes, program.count, flags, stack, stack.length);
}

/** What to start. */
export interface HostProgram {
  path: string;
  argv: readonly (string | Uint8Array)[];
  envp: readonly (string | Uint8Array)[];
  /** Descriptors of this process by their number in the child; those below `inherit` stay as they are if not named. */
  fds: ReadonlyMap<number, number>;
  /** The child inherits descriptors below this number, and those in `fds`; others are closed. */
  inherit: number;
  cwd?: string;
  /** Whether it gets a session of its own. */
  session: boolean;
  /** CLONE_NEW… flags of the namespaces it gets. Where those are refused it starts without them. */
  namespaces?: number;
  /** Whether it is killed when the thread that starts it ends. */
  dieWithParent?: boolean;
}

function pointers(strings: readonly (string | Uint8Array)[]): {
  table: Uint8Array<ArrayBuffer>;
  kept: Uint8Array[];
} {
  const kept = strings.map((s) => cstr(s));
  const table = new Uint8Array(8 * (kept.length + 1));
  const view = new DataView(table.buffer);
  kept.forEach((s, i) => view.setBigUint64(8 * i, BigInt(addressOf(s)), true));
  return { table, kept };
}

/** Starts a program; its process id, or a negative errno. It is a child of this process. */
export function spawnProgram(program: HostProgram): number {
  const argv = pointers(program.argv);
  const envp = pointers(program.envp);
  const nothing = new Uint8Array(32);
  const steps = new SyscallProgram(16 + program.fds.size);
  const high: number[] = [];
  let last = program.inherit - 1;
  steps.add(SYS.rt_sigprocmask, 2, nothing, 0, 8);
  // Deno ignores SIGPIPE, which would outlive the execve.
  steps.add(SYS.rt_sigaction, SIGPIPE, nothing, 0, 8);
  if (program.dieWithParent) steps.add(SYS.prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (program.session) steps.add(SYS.setsid);
  if (program.cwd !== undefined) steps.add(SYS.chdir, cstr(program.cwd));
  const copies: [number, number][] = [];
  for (const [target, fd] of program.fds) {
    const copy = sys(SYS.fcntl, fd, F_DUPFD_CLOEXEC, HIGH_FD, 0, 0, 0);
    if (copy < 0) {
      for (const each of high) sys(SYS.close, each, 0, 0, 0, 0, 0);
      return copy;
    }
    high.push(copy);
    copies.push([copy, target]);
    last = Math.max(last, target);
  }
  for (const [copy, target] of copies) steps.add(SYS.dup2, copy, target);
  steps.try(SYS.close_range, last + 1, 0xffffffff, CLOSE_RANGE_CLOEXEC);
  steps.add(SYS.execve, cstr(program.path), argv.table, envp.table);
  const flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
  let pid = runInChild(steps, flags | (program.namespaces ?? 0));
  if (pid === -EPERM || pid === -EINVAL) pid = runInChild(steps, flags);
  for (const fd of high) sys(SYS.close, fd, 0, 0, 0, 0, 0);
  if (pid < 0) return pid;
  // The child shared this memory until its execve, so that failures can be read here.
  const failed = steps.firstFailure();
  if (failed < 0) {
    sys1(SYS.wait4, pid, 0, 0, 0, 0, 0, 1, new Uint8Array(4));
    return failed;
  }
  return argv.kept.length + envp.kept.length >= 0 ? pid : -1;
}

/** Waits for a child; its wait status, or null when it runs on after `timeoutMs` (-1: no limit). */
export function waitProcess(pid: number, timeoutMs = -1): number | null {
  const status = new Uint8Array(4);
  if (timeoutMs >= 0) {
    const pidfd = sys(SYS.pidfd_open, pid, 0, 0, 0, 0, 0);
    if (pidfd >= 0) {
      const set = new Uint8Array(8);
      const view = new DataView(set.buffer);
      view.setInt32(0, pidfd, true);
      view.setUint16(4, 1, true);
      const n = sys1(SYS.poll, 0, 1, timeoutMs, 0, 0, 0, 0, set);
      sys(SYS.close, pidfd, 0, 0, 0, 0, 0);
      if (n === 0) return null;
    }
  }
  for (;;) {
    const r = sys1(SYS.wait4, pid, 0, 0, 0, 0, 0, 1, status);
    if (r === pid) return new DataView(status.buffer).getInt32(0, true);
    if (r !== -4) return null;
  }
}

/**
 * Leaves a process behind that stands for one in a sandbox: it exits with the status, one byte, that is read from `pipe`,
 * or with 137 at the pipe's end. With `root` it gets a mount namespace with that as its root: who enters it to find a
 * container's files must not find the host's. Whoever waits for it or kills it need not know that it is another kernel's process.
 */
export function spawnKeeper(pipe: number, root: string | null = null): number {
  const name = new Uint8Array(16);
  name.set(new TextEncoder().encode("runsc-exec"));
  const nothing = new Uint8Array(32);
  const steps = new SyscallProgram(56);
  steps.try(SYS.setsid);
  if (root !== null) addRoot(steps, root);
  // Signals end it, whatever handlers this process has set.
  for (let signo = 1; signo < 31; signo++) {
    if (signo !== 9 && signo !== 19) steps.try(SYS.rt_sigaction, signo, nothing, 0, 8);
  }
  steps.try(SYS.rt_sigprocmask, 2, nothing, 0, 8);
  steps.try(SYS.prctl, PR_SET_NAME, name, 0, 0, 0);
  steps.try(SYS.dup2, pipe, 0);
  steps.try(SYS.close_range, 1, 0xffffffff, 0);
  const read = steps.count;
  steps.try(SYS.read, 0, 0, 1);
  steps.add(SYS.exit_group, 137);
  steps.pointAt(read, 1, read + 1, 0);
  const pid = runInChild(steps, root === null ? SIGCHLD : SIGCHLD | CLONE_NEWNS);
  // Without the right to mount nobody enters namespaces either.
  return pid === -EPERM && root !== null ? spawnKeeper(pipe) : pid;
}

/** Makes a directory the root of a mount namespace that is new; see pivot_root(2), NOTES. */
function addRoot(steps: SyscallProgram, root: string): void {
  const path = cstr(root);
  const here = cstr(".");
  const top = cstr("/");
  const proc = cstr("proc");
  steps.add(SYS.mount, 0, top, 0, MS_REC | MS_SLAVE, 0);
  steps.add(SYS.mount, path, path, 0, MS_BIND | MS_REC, 0);
  steps.add(SYS.chdir, path);
  steps.try(SYS.mount, proc, proc, proc, PROC_FLAGS, cstr("subset=pid"));
  steps.add(SYS.pivot_root, here, here);
  steps.add(SYS.umount2, here, MNT_DETACH);
  steps.add(SYS.chdir, top);
}
