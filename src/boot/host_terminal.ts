/** The user's own terminal while a container's takes its place. */

import * as IO from "../abi/ioctl.ts";
import { sys1 } from "../../ffi/syscall.ts";

const SYS_IOCTL = 16;
/** struct termios of the kernel: four flag words, the line discipline, 19 control characters. */
const TERMIOS_SIZE = 36;
const OFLAG = 4;
const CFLAG = 8;
const LFLAG = 12;
const CC = 17;
const VMIN = 6;
const VTIME = 5;
// termios(3), cfmakeraw
const IFLAG_OFF = 0o1 | 0o2 | 0o10 | 0o40 | 0o100 | 0o200 | 0o400 | 0o2000; // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON
const OFLAG_OFF = 0o1; // OPOST
const LFLAG_OFF = 0o10 | 0o100 | 0o2 | 0o1 | 0o100000; // ECHO ECHONL ICANON ISIG IEXTEN
const CFLAG_OFF = 0o60 | 0o400; // CSIZE PARENB
const CS8 = 0o60;

/** Raw mode of a host terminal, and the way back. */
export class HostTerminal {
  readonly #fd: number;
  readonly #saved = new Uint8Array(TERMIOS_SIZE);
  #raw = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Passes every byte through in both directions: the container's line discipline does the work. */
  makeRaw(): void {
    if (sys1(SYS_IOCTL, this.#fd, IO.TCGETS, 0, 0, 0, 0, 2, this.#saved) < 0) return;
    const raw = this.#saved.slice();
    const view = new DataView(raw.buffer);
    const clear = (at: number, bits: number) =>
      view.setUint32(at, view.getUint32(at, true) & ~bits, true);
    clear(0, IFLAG_OFF);
    clear(OFLAG, OFLAG_OFF);
    clear(LFLAG, LFLAG_OFF);
    clear(CFLAG, CFLAG_OFF);
    view.setUint32(CFLAG, view.getUint32(CFLAG, true) | CS8, true);
    raw[CC + VMIN] = 1;
    raw[CC + VTIME] = 0;
    this.#raw = sys1(SYS_IOCTL, this.#fd, IO.TCSETSW, 0, 0, 0, 0, 2, raw) >= 0;
  }

  /** Puts the terminal back as it was. */
  restore(): void {
    if (!this.#raw) return;
    this.#raw = false;
    sys1(SYS_IOCTL, this.#fd, IO.TCSETSW, 0, 0, 0, 0, 2, this.#saved);
  }
}
