/** Types of arguments of ioctl(2). */

import * as ioctls from "../../abi/ioctl.ts";
import { i32, u32 } from "../../abi/struct.ts";
import { Termios, Winsize } from "../../abi/structs/terminal.ts";
import * as termios from "../../abi/termios.ts";
import { address, Enumeration, FlagSet, hex64 } from "../strace/format.ts";
import { type ArgType, type Call, early, printValue } from "./arg_types.ts";

const requests = new Enumeration(
  ioctls,
  /^(TC[GSX]|TCFLSH|TIOC(?!M_|PKT_)|FIO|FI[A-Z]|FS_IOC|BLK|SIOC|TUN|NS_GET|RND|RTC|LOOP)/,
  "",
);

/** A request of ioctl(2); of one without a name its parts are shown. */
export const ioctlRequest: ArgType = early("ioctl request", (v) => {
  const request = v >>> 0;
  const name = requests.name(request);
  if (name !== undefined) return name;
  const directions = ["_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE"];
  return `_IOC(${directions[ioctls.iocDirection(request)]}, ${hex64((request >>> 8) & 0xff)}, ${
    hex64(request & 0xff)
  }, ${hex64(ioctls.iocSize(request))})`;
});

const inputFlags = new FlagSet(
  termios,
  /^(IGNBRK|BRKINT|IGNPAR|PARMRK|INPCK|ISTRIP|INLCR|IGNCR|ICRNL|IUCLC|IXON|IXANY|IXOFF|IMAXBEL|IUTF8)$/,
  "",
);
const outputFlags = new FlagSet(
  termios,
  /^(OPOST|OLCUC|ONLCR|OCRNL|ONOCR|ONLRET|OFILL|OFDEL)$/,
  "",
);
const localFlags = new FlagSet(
  termios,
  /^(ISIG|ICANON|XCASE|ECHO.*|NOFLSH|TOSTOP|FLUSHO|PENDIN|IEXTEN|EXTPROC)$/,
  "",
);

function printTermios(at: number, call: Call): string {
  const view = call.view.view(at, Termios.size);
  if (view === null) return address(at);
  const t = Termios.read(view, 0);
  return `{c_iflag=${inputFlags.print(t.c_iflag)}, c_oflag=${
    outputFlags.print(t.c_oflag)
  }, c_cflag=${hex64(t.c_cflag)}, c_lflag=${localFlags.print(t.c_lflag)}, ...}`;
}

/** The third argument of ioctl(2), by its request. */
export const ioctlArgument: ArgType = {
  name: "ioctl argument",
  late: true,
  print(v, call) {
    const request = call.args[1] >>> 0;
    const failed = call.result < 0;
    switch (request) {
      case ioctls.FIOCLEX:
      case ioctls.FIONCLEX:
      case ioctls.TIOCNOTTY:
      case ioctls.TIOCEXCL:
      case ioctls.TIOCNXCL:
        return null;
      case ioctls.TCGETS:
        return failed ? address(v) : printTermios(v, call);
      case ioctls.TCSETS:
      case ioctls.TCSETSW:
      case ioctls.TCSETSF:
        return printTermios(v, call);
      case ioctls.TIOCGWINSZ:
        return failed ? address(v) : printValue(Winsize, v, call);
      case ioctls.TIOCSWINSZ:
        return printValue(Winsize, v, call);
      case ioctls.FIONBIO:
      case ioctls.FIOASYNC:
      case ioctls.TIOCSPGRP:
      case ioctls.TIOCSPTLCK:
        return cell(v, call);
      case ioctls.FIONREAD:
      case ioctls.TIOCOUTQ:
      case ioctls.TIOCGPGRP:
      case ioctls.TIOCGSID:
      case ioctls.TIOCGPTLCK:
        return failed ? address(v) : cell(v, call);
      case ioctls.TIOCGPTN:
        return failed ? address(v) : `[${printValue(u32, v, call)}]`;
      case ioctls.TCSBRK:
      case ioctls.TCXONC:
      case ioctls.TCFLSH:
      case ioctls.TIOCSCTTY:
        return String(v | 0);
      default:
        return hex64(v);
    }
  },
};

function cell(at: number, call: Call): string {
  return call.view.view(at, 4) === null ? address(at) : `[${printValue(i32, at, call)}]`;
}
