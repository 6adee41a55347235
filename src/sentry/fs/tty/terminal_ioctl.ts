/** The requests that a terminal answers on both of its ends (ioctl_tty(2)). */

import { EBUSY, EFAULT, EINVAL, EIO, ENOTTY, EPERM } from "../../../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../../../abi/capability.ts";
import * as IO from "../../../abi/ioctl.ts";
import { VSTART, VSTOP } from "../../../abi/termios.ts";
import type { Task } from "../../kernel/task.ts";
import {
  checkChange,
  getForeground,
  getSession,
  giveUp,
  setControlling,
  setForeground,
} from "./job_control.ts";
import type { Terminal } from "./terminal.ts";
import { TERMIO_SIZE, Termios, TERMIOS2_SIZE, TERMIOS_SIZE } from "./termios.ts";

const WINSIZE_SIZE = 8;
const before = new Termios();

/** Answers `cmd`; -ENOTTY if it is none of a terminal's. */
export function terminalIoctl(
  t: Task,
  terminal: Terminal,
  cmd: number,
  arg: number,
  fromMaster: boolean,
  readable: boolean,
): number {
  const view = t.view;
  switch (cmd) {
    case IO.TCGETS:
      terminal.termios.write(view, 0, false);
      return t.copyOut(arg, TERMIOS_SIZE);
    case IO.TCGETS2:
      terminal.termios.write(view, 0, true);
      return t.copyOut(arg, TERMIOS2_SIZE);
    case IO.TCGETA:
      terminal.termios.writeShort(view, 0);
      return t.copyOut(arg, TERMIO_SIZE);
    case IO.TCSETS:
    case IO.TCSETSW:
    case IO.TCSETSF:
    case IO.TCSETS2:
    case IO.TCSETSW2:
    case IO.TCSETSF2:
    case IO.TCSETA:
    case IO.TCSETAW:
    case IO.TCSETAF:
      return setModes(t, terminal, cmd, arg);
    case IO.TIOCGWINSZ:
      view.setUint16(0, terminal.rows, true);
      view.setUint16(2, terminal.columns, true);
      view.setUint16(4, terminal.xPixels, true);
      view.setUint16(6, terminal.yPixels, true);
      return t.copyOut(arg, WINSIZE_SIZE);
    case IO.TIOCSWINSZ: {
      const r = t.copyIn(arg, WINSIZE_SIZE);
      if (r < 0) return r;
      terminal.resize(
        view.getUint16(0, true),
        view.getUint16(2, true),
        view.getUint16(4, true),
        view.getUint16(6, true),
      );
      return 0;
    }
    case IO.TIOCSCTTY:
      return setControlling(t, terminal, readable, arg === 1);
    case IO.TIOCNOTTY:
      return giveUp(t, terminal);
    case IO.TIOCGPGRP:
      return answer(t, arg, getForeground(t, terminal, fromMaster));
    case IO.TIOCSPGRP: {
      const r = t.copyIn(arg, 4);
      return r < 0 ? r : setForeground(t, terminal, view.getInt32(0, true));
    }
    case IO.TIOCGSID:
      return answer(t, arg, getSession(t, terminal, fromMaster));
    case IO.TIOCGETD:
      return answer(t, arg, 0);
    case IO.TIOCSETD: {
      const r = t.copyIn(arg, 4);
      if (r < 0) return r;
      return view.getInt32(0, true) === 0 ? 0 : -EINVAL;
    }
    case IO.TIOCGDEV:
      return answer(t, arg, terminal.deviceNumber);
    case IO.TIOCEXCL:
      terminal.exclusive = true;
      return 0;
    case IO.TIOCNXCL:
      terminal.exclusive = false;
      return 0;
    case IO.TIOCGEXCL:
      return answer(t, arg, terminal.exclusive ? 1 : 0);
    case IO.TIOCOUTQ:
      return answer(t, arg, 0);
    case IO.FIONREAD:
      return answer(
        t,
        arg,
        fromMaster ? terminal.discipline.output.length : terminal.discipline.inputCount,
      );
    case IO.TCFLSH:
      return flush(t, terminal, arg);
    case IO.TCXONC:
      return flowControl(t, terminal, arg);
    case IO.TCSBRK:
    case IO.TCSBRKP:
      return checkChange(t, terminal);
    case IO.TIOCSBRK:
    case IO.TIOCCBRK:
      return 0;
    case IO.TIOCSTI:
      // Typing on behalf of others is how programs broke out of lesser privileges.
      return -EIO;
    case IO.TIOCCONS:
      return t.creds.capable(CAP_SYS_ADMIN) ? -EBUSY : -EPERM;
    case IO.TIOCVHANGUP:
      if (!t.creds.capable(CAP_SYS_ADMIN)) return -EPERM;
      terminal.hangUp();
      return 0;
    case IO.TIOCGLCKTRMIOS:
      view.setUint32(0, 0, true);
      t.scratch.fill(0, 0, TERMIOS_SIZE);
      return t.copyOut(arg, TERMIOS_SIZE);
    case IO.TIOCGSOFTCAR:
      return answer(t, arg, 0);
    default:
      return -ENOTTY;
  }
}

/** Stores a result of 32 bits, unless it is an error. */
function answer(t: Task, arg: number, value: number): number {
  if (value < 0) return value;
  t.view.setUint32(0, value, true);
  return t.copyOut(arg, 4);
}

function setModes(t: Task, terminal: Terminal, cmd: number, arg: number): number {
  const r = checkChange(t, terminal);
  if (r !== 0) return r;
  const termios = terminal.termios;
  before.copyFrom(termios);
  switch (cmd) {
    case IO.TCSETA:
    case IO.TCSETAW:
    case IO.TCSETAF:
      if (t.copyIn(arg, TERMIO_SIZE) < 0) return -EFAULT;
      termios.readShort(t.view, 0);
      break;
    case IO.TCSETS2:
    case IO.TCSETSW2:
    case IO.TCSETSF2:
      if (t.copyIn(arg, TERMIOS2_SIZE) < 0) return -EFAULT;
      termios.read(t.view, 0, true);
      break;
    default:
      if (t.copyIn(arg, TERMIOS_SIZE) < 0) return -EFAULT;
      termios.read(t.view, 0, false);
  }
  if (cmd === IO.TCSETSF || cmd === IO.TCSETAF || cmd === IO.TCSETSF2) {
    terminal.discipline.flushInput();
  }
  terminal.modesChanged(before);
  return 0;
}

function flush(t: Task, terminal: Terminal, which: number): number {
  const r = checkChange(t, terminal);
  if (r !== 0) return r;
  switch (which) {
    case IO.TCIFLUSH:
      terminal.discipline.flushInput();
      return 0;
    case IO.TCIOFLUSH:
      terminal.discipline.flushInput();
      terminal.discipline.flushOutput();
      return 0;
    case IO.TCOFLUSH:
      terminal.discipline.flushOutput();
      return 0;
    default:
      return -EINVAL;
  }
}

function flowControl(t: Task, terminal: Terminal, what: number): number {
  const r = checkChange(t, terminal);
  if (r !== 0) return r;
  const discipline = terminal.discipline;
  switch (what) {
    case IO.TCOOFF:
      discipline.flowStopped = true;
      discipline.stop();
      return 0;
    case IO.TCOON:
      discipline.flowStopped = false;
      discipline.start();
      return 0;
    case IO.TCIOFF:
      return sendControl(terminal, VSTOP);
    case IO.TCION:
      return sendControl(terminal, VSTART);
    default:
      return -EINVAL;
  }
}

function sendControl(terminal: Terminal, which: number): number {
  const c = terminal.termios.cc[which];
  if (c !== 0 && terminal.discipline.output.pushByte(c)) terminal.outputReady();
  return 0;
}
