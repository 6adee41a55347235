import { EAGAIN } from "../../../abi/errno.ts";
import { AT_FDCWD, O_NOCTTY, O_RDONLY, O_RDWR, O_WRONLY } from "../../../abi/fcntl.ts";
import * as libc from "../../../../ffi/libc.ts";
import { TIOCGWINSZ } from "../../../abi/ioctl.ts";
import { POLLIN, POLLOUT } from "../../../abi/poll.ts";
import { type HostPoller, HostWatch } from "../../kernel/host_poller.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Task } from "../../kernel/task.ts";
import { Waiter } from "../../kernel/wait.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { File } from "../../vfs/file.ts";
import { setConsole } from "../dev/devices.ts";
import type { DevPts } from "../devpts/dev_pts.ts";
import { prepareDevPts } from "../devpts/ptmx.ts";
import { acquire } from "../tty/job_control.ts";
import type { Terminal } from "../tty/terminal.ts";
import { TtyFile } from "../tty/tty_file.ts";
import { HostStream } from "./host_stream.ts";

const WINSIZE_SIZE = 8;

class InputWatch extends HostWatch {
  private readonly relay: ConsoleRelay;

  constructor(fd: number, relay: ConsoleRelay) {
    super(fd, POLLIN);
    this.relay = relay;
  }

  override onReady(_mask: number): void {
    this.relay.pumpInput();
  }
}

class OutputWatch extends HostWatch {
  private readonly relay: ConsoleRelay;

  constructor(fd: number, relay: ConsoleRelay) {
    super(fd, POLLOUT);
    this.relay = relay;
  }

  override onReady(_mask: number): void {
    this.relay.pumpOutput();
  }
}

/** Woken when the terminal has output, or takes input again. */
class TerminalWaiter extends Waiter {
  private readonly relay: ConsoleRelay;

  constructor(relay: ConsoleRelay) {
    super();
    this.mask = POLLIN | POLLOUT;
    this.relay = relay;
  }

  override onWake(mask: number): void {
    if ((mask & POLLIN) !== 0) this.relay.pumpOutput();
    if ((mask & POLLOUT) !== 0) this.relay.pumpInput();
  }
}

/**
 * Joins a pseudoterminal of the sandbox to a terminal of the host. It sits at the master's end:
 * what is typed on the host goes in, what programs write comes out. The host's terminal must be in
 * raw mode meanwhile, since the line discipline here does all the work.
 */
export class ConsoleRelay {
  /** The terminal that programs see. */
  readonly terminal: Terminal;
  private readonly kernel: Kernel;
  private readonly pts: DevPts;
  private readonly poller: HostPoller;
  private readonly hostIn: number;
  private readonly owned: boolean;
  private readonly input: HostStream;
  private readonly output: HostStream;
  private readonly inputWatch: InputWatch;
  private readonly outputWatch: OutputWatch;
  private readonly waiter: TerminalWaiter;
  /** Typed bytes that the terminal had no room for: `typed[typedAt, typedEnd)`. */
  private readonly typed: Uint8Array;
  private typedAt: number;
  private typedEnd: number;
  /** Output on its way: `out[outAt, outEnd)`. */
  private readonly out: Uint8Array;
  private outAt: number;
  private outEnd: number;
  private inputEnded: boolean;
  private pumping: boolean;
  private typing: boolean;
  private ending: boolean;

  /**
   * Makes a terminal in the devpts that will be mounted first, and makes it the console; or in `pts`, as one more. What is
   * given with `pts` is closed at the end.
   */
  constructor(
    kernel: Kernel,
    poller: HostPoller,
    hostIn: number,
    hostOut: number,
    pts: DevPts | null = null,
  ) {
    this.kernel = kernel;
    this.poller = poller;
    this.hostIn = hostIn;
    this.pts = pts ?? prepareDevPts(kernel.vfs);
    this.owned = pts !== null;
    this.ending = false;
    const terminal = this.pts.create(0, 0);
    if (typeof terminal === "number") throw new Error("the first terminal has no number");
    terminal.locked = false;
    this.terminal = terminal;
    this.input = new HostStream(hostIn, hostIn === hostOut ? O_RDWR : O_RDONLY);
    this.output = new HostStream(hostIn === hostOut ? libc.dup(hostOut) : hostOut, O_WRONLY);
    this.inputWatch = new InputWatch(this.input.fd, this);
    this.outputWatch = new OutputWatch(this.output.fd, this);
    this.waiter = new TerminalWaiter(this);
    this.typed = new Uint8Array(4096);
    this.typedAt = 0;
    this.typedEnd = 0;
    this.out = new Uint8Array(4096);
    this.outAt = 0;
    this.outEnd = 0;
    this.inputEnded = false;
    this.pumping = false;
    this.typing = false;
    terminal.masterQueue.add(this.waiter);
    if (pts === null) setConsole(kernel, terminal);
    this.resize();
    this.poller.add(this.inputWatch);
  }

  /** Opens the terminal for the first program, by its name if devpts is mounted. */
  openSlave(ctx: VfsContext): File {
    const vfs = this.kernel.vfs;
    const name = String(this.terminal.index);
    const file = vfs.open(ctx, AT_FDCWD, `/dev/pts/${name}`, O_RDWR | O_NOCTTY);
    if (file instanceof TtyFile && file.terminal === this.terminal) return file;
    if (typeof file !== "number") file.unref();
    const inode = this.pts.inodes.get(this.terminal.index)!;
    const path = vfs.anon.anon.path(`/dev/pts/${name}`, inode);
    return new TtyFile(path, O_RDWR, this.terminal);
  }

  /** Makes it the controlling terminal of the session that `t` leads. */
  attach(t: Task): void {
    acquire(t, this.terminal);
  }

  /** Takes over the size of the host's window; call it when that changed (SIGWINCH). */
  resize(): void {
    const size = new Uint8Array(WINSIZE_SIZE);
    if (libc.ioctl(this.hostIn, TIOCGWINSZ, size) < 0) return;
    const view = new DataView(size.buffer);
    this.terminal.resize(
      view.getUint16(0, true),
      view.getUint16(2, true),
      view.getUint16(4, true),
      view.getUint16(6, true),
    );
  }

  /** Moves what was typed on the host into the terminal. */
  pumpInput(): void {
    // What is typed may flush the queue (a signal character), which tells of room and leads back here.
    if (this.typing) return;
    this.typing = true;
    this.moveInput();
    this.typing = false;
  }

  private moveInput(): void {
    for (;;) {
      while (this.typedAt < this.typedEnd) {
        const n = this.terminal.type(this.typed, this.typedAt, this.typedEnd - this.typedAt);
        if (n === 0) return;
        this.typedAt += n;
      }
      if (this.inputEnded) return;
      // Nobody tells of a window that changed its size while another process has the terminal.
      if (this.owned) this.resize();
      const n = this.input.read(this.typed, this.typed.length);
      if (n === -EAGAIN) {
        this.poller.rearm(this.inputWatch);
        return;
      }
      if (n <= 0) {
        // The host's terminal is gone, and so is this one.
        this.inputEnded = true;
        this.poller.remove(this.inputWatch);
        this.terminal.closeMaster();
        return;
      }
      this.typedAt = 0;
      this.typedEnd = n;
    }
  }

  /** Moves what programs wrote to the host. */
  pumpOutput(): void {
    if (this.pumping) return;
    this.pumping = true;
    this.moveOutput();
    this.pumping = false;
  }

  private moveOutput(): void {
    const ring = this.terminal.discipline.output;
    for (;;) {
      while (this.outAt < this.outEnd) {
        const part = this.out.subarray(this.outAt, this.outEnd);
        const n = this.output.write(part, part.length);
        if (n === -EAGAIN) {
          this.poller.rearm(this.outputWatch);
          return;
        }
        // A host terminal that is gone takes nothing: drop it, the input side tells of the end.
        this.outAt = n < 0 ? this.outEnd : this.outAt + n;
      }
      if (ring.length === 0) {
        if (this.ending) this.close();
        return;
      }
      this.outAt = 0;
      this.outEnd = ring.shift(this.out, 0, this.out.length);
      this.terminal.outputDrained();
    }
  }

  /** Waits until the host has everything that programs wrote; the sandbox is ending. */
  drain(): void {
    for (;;) {
      this.pumpOutput();
      if (this.outAt >= this.outEnd && this.terminal.discipline.output.length === 0) return;
      if (!this.output.waitWritable()) return;
    }
  }

  /** The program is gone: lets go of the host's terminal once that has taken all output. */
  end(): void {
    this.ending = true;
    this.poller.remove(this.inputWatch);
    this.pumpOutput();
  }

  /** Lets go of the host's terminal. */
  close(): void {
    this.poller.remove(this.inputWatch);
    this.poller.remove(this.outputWatch);
    if (this.waiter.queue !== null) this.terminal.masterQueue.remove(this.waiter);
    this.input.close(this.owned);
    this.output.close(this.owned);
    if (this.ending) this.terminal.closeMaster();
    this.ending = false;
  }
}
