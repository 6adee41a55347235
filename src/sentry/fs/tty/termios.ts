import * as T from "../../../abi/termios.ts";

/** Size of `struct termios` as TCGETS moves it. */
export const TERMIOS_SIZE = 36;
/** Size of `struct termios2` as TCGETS2 moves it. */
export const TERMIOS2_SIZE = 44;
/** Size of `struct termio` as TCGETA moves it. */
export const TERMIO_SIZE = 18;

/** A control character that is switched off. */
export const DISABLED_CHAR = 0;

/** The modes of a terminal (termios(3)). */
export class Termios {
  iflag: number;
  oflag: number;
  cflag: number;
  lflag: number;
  line: number;
  readonly cc: Uint8Array;
  ispeed: number;
  ospeed: number;

  constructor() {
    this.iflag = T.ICRNL | T.IXON;
    this.oflag = T.OPOST | T.ONLCR;
    this.cflag = T.B38400 | T.CS8 | T.CREAD;
    this.lflag = T.ISIG | T.ICANON | T.ECHO | T.ECHOE | T.ECHOK | T.ECHOCTL | T.ECHOKE | T.IEXTEN;
    this.line = 0;
    this.cc = new Uint8Array(T.NCCS);
    this.cc.set([3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0]);
    this.ispeed = 38400;
    this.ospeed = 38400;
  }

  /** Writes a `struct termios`, with the speeds of `struct termios2` if `withSpeeds`. */
  write(view: DataView, offset: number, withSpeeds: boolean): void {
    view.setUint32(offset, this.iflag, true);
    view.setUint32(offset + 4, this.oflag, true);
    view.setUint32(offset + 8, this.cflag, true);
    view.setUint32(offset + 12, this.lflag, true);
    view.setUint8(offset + 16, this.line);
    for (let i = 0; i < T.NCCS; i++) view.setUint8(offset + 17 + i, this.cc[i]);
    if (withSpeeds) {
      view.setUint32(offset + 36, this.ispeed, true);
      view.setUint32(offset + 40, this.ospeed, true);
    }
  }

  /** Reads what {@link write} writes. */
  read(view: DataView, offset: number, withSpeeds: boolean): void {
    this.iflag = view.getUint32(offset, true);
    this.oflag = view.getUint32(offset + 4, true);
    this.cflag = view.getUint32(offset + 8, true);
    this.lflag = view.getUint32(offset + 12, true);
    this.line = view.getUint8(offset + 16);
    for (let i = 0; i < T.NCCS; i++) this.cc[i] = view.getUint8(offset + 17 + i);
    if (withSpeeds) {
      this.ispeed = view.getUint32(offset + 36, true);
      this.ospeed = view.getUint32(offset + 40, true);
    } else {
      this.ispeed = this.ospeed = speedOf(this.cflag);
    }
  }

  /** Writes the older `struct termio`. */
  writeShort(view: DataView, offset: number): void {
    view.setUint16(offset, this.iflag & 0xffff, true);
    view.setUint16(offset + 2, this.oflag & 0xffff, true);
    view.setUint16(offset + 4, this.cflag & 0xffff, true);
    view.setUint16(offset + 6, this.lflag & 0xffff, true);
    view.setUint8(offset + 8, this.line);
    for (let i = 0; i < 8; i++) view.setUint8(offset + 9 + i, this.cc[i]);
    view.setUint8(offset + 17, 0);
  }

  /** Reads the older `struct termio`, keeping what it has no room for. */
  readShort(view: DataView, offset: number): void {
    this.iflag = (this.iflag & ~0xffff | view.getUint16(offset, true)) >>> 0;
    this.oflag = (this.oflag & ~0xffff | view.getUint16(offset + 2, true)) >>> 0;
    this.cflag = (this.cflag & ~0xffff | view.getUint16(offset + 4, true)) >>> 0;
    this.lflag = (this.lflag & ~0xffff | view.getUint16(offset + 6, true)) >>> 0;
    for (let i = 0; i < 8; i++) this.cc[i] = view.getUint8(offset + 9 + i);
    this.ispeed = this.ospeed = speedOf(this.cflag);
  }

  copyFrom(other: Termios): void {
    this.iflag = other.iflag;
    this.oflag = other.oflag;
    this.cflag = other.cflag;
    this.lflag = other.lflag;
    this.line = other.line;
    this.cc.set(other.cc);
    this.ispeed = other.ispeed;
    this.ospeed = other.ospeed;
  }
}

const SPEEDS = [
  0,
  50,
  75,
  110,
  134,
  150,
  200,
  300,
  600,
  1200,
  1800,
  2400,
  4800,
  9600,
  19200,
  38400,
];
const FAST_SPEEDS = [
  0,
  57600,
  115200,
  230400,
  460800,
  500000,
  576000,
  921600,
  1000000,
  1152000,
  1500000,
  2000000,
  2500000,
  3000000,
  3500000,
  4000000,
];

/** The speed in bits a second that the CBAUD bits of `cflag` name. */
function speedOf(cflag: number): number {
  return (cflag & T.CBAUDEX) !== 0 ? FAST_SPEEDS[cflag & 15] : SPEEDS[cflag & 15];
}
