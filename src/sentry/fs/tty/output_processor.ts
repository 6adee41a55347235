import { OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, TABDLY, XTABS } from "../../../abi/termios.ts";
import type { ByteRing } from "../pipe/byte_ring.ts";
import { isContinuation, isControl } from "./characters.ts";
import type { Termios } from "./termios.ts";

const NEWLINE = 10;
const RETURN = 13;
const TAB = 9;
const BACKSPACE = 8;
const SPACE = 32;

/** Output modes (OPOST and what it switches on): what a terminal makes of bytes on their way out. */
export class OutputProcessor {
  /** The cursor's column, as far as tabs and ONOCR need it. */
  column: number;
  /** The column where the line being typed began. */
  canonColumn: number;
  private readonly termios: Termios;
  private readonly out: ByteRing;

  constructor(termios: Termios, out: ByteRing) {
    this.column = 0;
    this.canonColumn = 0;
    this.termios = termios;
    this.out = out;
  }

  /** Whether bytes are changed on their way at all. */
  get active(): boolean {
    return (this.termios.oflag & OPOST) !== 0;
  }

  /** Writes one byte by the output modes; false, and nothing is written, if there is no room. */
  put(c: number): boolean {
    const out = this.out;
    const oflag = this.termios.oflag;
    if ((oflag & OPOST) === 0) return out.pushByte(c);
    if (c >= SPACE && c < 127 && (oflag & OLCUC) === 0) {
      if (!out.pushByte(c)) return false;
      this.column++;
      return true;
    }
    switch (c) {
      case NEWLINE:
        if (oflag & ONLRET) this.column = 0;
        if (oflag & ONLCR) {
          if (out.space < 2) return false;
          this.canonColumn = this.column = 0;
          out.pushByte(RETURN);
          return out.pushByte(NEWLINE);
        }
        if (!out.pushByte(c)) return false;
        this.canonColumn = this.column;
        return true;
      case RETURN:
        if ((oflag & ONOCR) && this.column === 0) return true;
        if (out.space < 1) return false;
        if (oflag & OCRNL) {
          if (oflag & ONLRET) this.canonColumn = this.column = 0;
          return out.pushByte(NEWLINE);
        }
        this.canonColumn = this.column = 0;
        return out.pushByte(c);
      case TAB: {
        const spaces = 8 - (this.column & 7);
        if ((oflag & TABDLY) === XTABS) {
          if (out.space < spaces) return false;
          for (let i = 0; i < spaces; i++) out.pushByte(SPACE);
        } else if (!out.pushByte(c)) {
          return false;
        }
        this.column += spaces;
        return true;
      }
      case BACKSPACE:
        if (!out.pushByte(c)) return false;
        if (this.column > 0) this.column--;
        return true;
      default:
        if ((oflag & OLCUC) && c >= 0x61 && c <= 0x7a) c -= 32;
        if (!out.pushByte(c)) return false;
        if (!isControl(c) && !isContinuation(this.termios, c)) this.column++;
        return true;
    }
  }
}
