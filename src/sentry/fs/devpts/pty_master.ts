import { EAGAIN, EIO, ENOTTY } from "../../../abi/errno.ts";
import { O_CLOEXEC, O_NOCTTY } from "../../../abi/fcntl.ts";
import * as IO from "../../../abi/ioctl.ts";
import { RLIMIT_NOFILE } from "../../../abi/resource.ts";
import { SIGINT, SIGQUIT, SIGTSTP } from "../../../abi/signals.ts";
import type { Task } from "../../kernel/task.ts";
import type { WaitQueue } from "../../kernel/wait.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { File } from "../../vfs/file.ts";
import { Path } from "../../vfs/path.ts";
import type { Terminal } from "../tty/terminal.ts";
import { terminalIoctl } from "../tty/terminal_ioctl.ts";
import { openTerminal } from "../tty/tty_file.ts";
import type { DevPts } from "./dev_pts.ts";

const status = new Uint8Array(1);

/** The master of a pseudoterminal: what opening `/dev/ptmx` gives (pts(4)). */
export class PtyMaster extends File {
  readonly terminal: Terminal;
  private readonly pts: DevPts;

  constructor(path: Path, flags: number, pts: DevPts, terminal: Terminal) {
    super(path, flags & ~O_NOCTTY);
    this.pts = pts;
    this.terminal = terminal;
  }

  override get queue(): WaitQueue {
    return this.terminal.masterQueue;
  }

  override read(_t: Task, io: IoBuffer, _pos: number): number {
    const terminal = this.terminal;
    const output = terminal.discipline.output;
    let done = 0;
    if (terminal.packetMode) {
      if (terminal.packetStatus !== 0) {
        status[0] = terminal.packetStatus;
        const r = io.put(status, 0, 1);
        if (r > 0) terminal.packetStatus = 0;
        return r;
      }
      if (output.length > 0) {
        status[0] = IO.TIOCPKT_DATA;
        const r = io.put(status, 0, 1);
        if (r < 0) return r;
        done = 1;
      }
    }
    if (output.length === 0) {
      return terminal.slaveWasOpened && terminal.slaveOpens === 0 ? -EIO : -EAGAIN;
    }
    const r = output.putTo(io, io.remaining);
    if (r < 0) return done > 0 ? done : r;
    terminal.outputDrained();
    return done + r;
  }

  override write(_t: Task, io: IoBuffer, _pos: number): number {
    return this.terminal.writeMaster(io);
  }

  override poll(_t: Task | null): number {
    return this.terminal.pollMaster();
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    const terminal = this.terminal;
    switch (cmd) {
      case IO.TIOCGPTN:
        return t.mm.writeU32(arg, terminal.index);
      case IO.TIOCSPTLCK: {
        const r = t.copyIn(arg, 4);
        if (r < 0) return r;
        terminal.locked = t.view.getInt32(0, true) !== 0;
        return 0;
      }
      case IO.TIOCGPTLCK:
        return t.mm.writeU32(arg, terminal.locked ? 1 : 0);
      case IO.TIOCPKT: {
        const r = t.copyIn(arg, 4);
        if (r < 0) return r;
        const on = t.view.getInt32(0, true) !== 0;
        if (on && !terminal.packetMode) terminal.packetStatus = 0;
        terminal.packetMode = on;
        return 0;
      }
      case IO.TIOCGPKT:
        return t.mm.writeU32(arg, terminal.packetMode ? 1 : 0);
      case IO.TIOCSIG:
        if (arg !== SIGINT && arg !== SIGQUIT && arg !== SIGTSTP) return -ENOTTY;
        terminal.signalForeground(arg);
        return 0;
      case IO.TIOCGPTPEER:
        return this.openPeer(t, arg);
    }
    return terminalIoctl(t, terminal, cmd, arg, true, this.readable);
  }

  /** TIOCGPTPEER: opens the slave without its name, which may mean another one by now. */
  private openPeer(t: Task, flags: number): number {
    const inode = this.pts.inodes.get(this.terminal.index);
    if (inode === undefined) return -EIO;
    const root = this.pts.rootDentry;
    const name = String(this.terminal.index);
    let dentry = root.children?.get(name);
    if (dentry === undefined || dentry.inode !== inode) {
      const dentries = this.pts.vfs.dentries;
      if (dentry !== undefined) dentries.unhashTree(dentry);
      dentry = dentries.add(root, name, inode);
    }
    const file = openTerminal(
      t,
      flags & ~O_CLOEXEC,
      new Path(this.path.mount, dentry),
      this.terminal,
    );
    if (typeof file === "number") return file;
    const limit = t.group.rlimits.soft[RLIMIT_NOFILE];
    const fd = t.files.install(file, (flags & O_CLOEXEC) !== 0, 0, limit);
    if (fd < 0) file.unref();
    return fd;
  }

  override fdInfo(): string {
    return `tty-index:\t${this.terminal.index}\n`;
  }

  override release(): void {
    this.terminal.closeMaster();
    this.pts.remove(this.terminal);
  }
}
