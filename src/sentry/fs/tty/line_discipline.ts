import * as T from "../../../abi/termios.ts";
import { SIGINT, SIGQUIT, SIGTSTP } from "../../../abi/signals.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { ByteRing } from "../pipe/byte_ring.ts";
import { isContinuation, isControl, isWordCharacter } from "./characters.ts";
import { OutputProcessor } from "./output_processor.ts";
import { DISABLED_CHAR, type Termios } from "./termios.ts";

/** Size of the input buffer, Linux's N_TTY_BUF_SIZE. */
export const INPUT_SIZE = 4096;
const MASK = INPUT_SIZE - 1;
/** How much output waits for the master to read it. */
export const OUTPUT_SIZE = 65536;
/** How much echo waits while output is stopped. */
const ECHO_SIZE = 4096;

const NEWLINE = 10;
const RETURN = 13;
const BACKSPACE = 8;
const SPACE = 32;
const CARET = 94;

/** What the line discipline asks of its terminal. */
export interface LineDisciplineOwner {
  /** A signal character was typed. */
  signalForeground(signal: number): void;
  /** Input became readable. */
  inputReady(): void;
  /** Output was added for the master. */
  outputReady(): void;
  /** Output was thrown away. */
  outputFlushed(): void;
  /** Input was thrown away. */
  inputFlushed(): void;
  /** Output stopped or started (VSTOP, VSTART). */
  flowChanged(stopped: boolean): void;
}

/**
 * N_TTY, the line discipline of every terminal: line editing, echo, signal characters, flow
 * control, and output processing. Input arrives by {@link receive}; programs take it by
 * {@link read}. Output collects in {@link output}.
 *
 * Input positions only grow; `& MASK` finds them in the buffer. Between `tail` and `canonHead`
 * are complete lines, between `canonHead` and `head` is the line that can still be edited.
 */
export class LineDiscipline {
  readonly termios: Termios;
  readonly output: ByteRing;
  readonly processor: OutputProcessor;
  /** Output is stopped by VSTOP or TCXONC. */
  stopped: boolean;
  /** Stopped by TCXONC, so that typing does not start it. */
  flowStopped: boolean;
  /** When input last arrived, for the timer between bytes. */
  lastInput: number;
  private readonly owner: LineDisciplineOwner;
  private readonly buffer: Uint8Array;
  /** 1 where the byte ends a line. */
  private readonly lineEnd: Uint8Array;
  private readonly echoPending: ByteRing;
  private head: number;
  private tail: number;
  private canonHead: number;
  private literalNext: boolean;
  /** Within ECHOPRT's `\...../`. */
  private erasing: boolean;

  constructor(termios: Termios, owner: LineDisciplineOwner) {
    this.termios = termios;
    this.output = new ByteRing(OUTPUT_SIZE);
    this.processor = new OutputProcessor(termios, this.output);
    this.stopped = false;
    this.flowStopped = false;
    this.lastInput = 0;
    this.owner = owner;
    this.buffer = new Uint8Array(INPUT_SIZE);
    this.lineEnd = new Uint8Array(INPUT_SIZE);
    this.echoPending = new ByteRing(ECHO_SIZE);
    this.head = 0;
    this.tail = 0;
    this.canonHead = 0;
    this.literalNext = false;
    this.erasing = false;
  }

  private get canonical(): boolean {
    return (this.termios.lflag & T.ICANON) !== 0;
  }

  // Input.

  /** How many bytes {@link receive} takes now. A line that is too long is cut, never refused. */
  get inputSpace(): number {
    const space = INPUT_SIZE - (this.head - this.tail) - 1;
    if (this.canonical && this.canonHead === this.tail) return Math.max(space, 1);
    return Math.max(space, 0);
  }

  /** One byte from the keyboard (the master side). {@link received} follows the last of a round. */
  receive(byte: number): void {
    const termios = this.termios;
    const iflag = termios.iflag;
    let c = byte;
    if (this.stopped && !this.flowStopped && (iflag & T.IXON) && (iflag & T.IXANY)) this.start();
    if (iflag & T.ISTRIP) c &= 0x7f;
    if ((iflag & T.IUCLC) && (termios.lflag & T.IEXTEN) && c >= 0x41 && c <= 0x5a) c += 32;
    if (termios.lflag & T.EXTPROC) {
      this.store(c);
    } else if (this.literalNext) {
      this.literalNext = false;
      this.storeEchoed(c);
    } else if (!this.receiveSpecial(c)) {
      this.storeEchoed(c);
    }
  }

  /** Ends a round of {@link receive}: tells of what became readable. */
  received(): void {
    if (this.canonHead !== this.tail) this.owner.inputReady();
    if (this.output.length > 0) this.owner.outputReady();
  }

  /** Handles `c` if it has a meaning of its own; false if it is plain input. */
  private receiveSpecial(c: number): boolean {
    const { iflag, lflag, cc } = this.termios;
    if (iflag & T.IXON) {
      if (c === cc[T.VSTART] && c !== DISABLED_CHAR) {
        if (this.stopped && !this.flowStopped) this.start();
        return true;
      }
      if (c === cc[T.VSTOP] && c !== DISABLED_CHAR) {
        this.stop();
        return true;
      }
    }
    if ((lflag & T.ISIG) && c !== DISABLED_CHAR) {
      const signal = c === cc[T.VINTR]
        ? SIGINT
        : c === cc[T.VQUIT]
        ? SIGQUIT
        : c === cc[T.VSUSP]
        ? SIGTSTP
        : 0;
      if (signal !== 0) {
        this.signalCharacter(signal, c);
        return true;
      }
    }
    if (c === RETURN) {
      if (iflag & T.IGNCR) return true;
      if (iflag & T.ICRNL) c = NEWLINE;
    } else if (c === NEWLINE && (iflag & T.INLCR)) {
      c = RETURN;
    }
    if (lflag & T.ICANON) return this.receiveCanonical(c);
    this.storeEchoed(c);
    return true;
  }

  private signalCharacter(signal: number, c: number): void {
    const lflag = this.termios.lflag;
    if (!(lflag & T.NOFLSH)) {
      this.flushOutput();
      this.flushInput();
    }
    this.owner.signalForeground(signal);
    if ((this.termios.iflag & T.IXON) && this.stopped && !this.flowStopped) this.start();
    if (lflag & T.ECHO) this.echo(c);
  }

  private receiveCanonical(c: number): boolean {
    const { iflag, lflag, cc } = this.termios;
    if (c !== DISABLED_CHAR) {
      if (
        c === cc[T.VERASE] || c === cc[T.VKILL] || (c === cc[T.VWERASE] && (lflag & T.IEXTEN))
      ) {
        this.erase(c);
        return true;
      }
      if (c === cc[T.VLNEXT] && (lflag & T.IEXTEN)) {
        this.literalNext = true;
        if (lflag & T.ECHO) {
          this.finishErasing();
          if (lflag & T.ECHOCTL) {
            this.echoRaw(CARET);
            this.echoRaw(BACKSPACE);
          }
        }
        return true;
      }
      if (c === cc[T.VREPRINT] && (lflag & T.ECHO) && (lflag & T.IEXTEN)) {
        this.finishErasing();
        this.echo(c);
        this.echoRaw(NEWLINE);
        for (let i = this.canonHead; i < this.head; i++) this.echo(this.buffer[i & MASK]);
        return true;
      }
    }
    if (c === NEWLINE) {
      if (lflag & (T.ECHO | T.ECHONL)) this.echoRaw(NEWLINE);
      this.endLine(c);
      return true;
    }
    if (c !== DISABLED_CHAR) {
      if (c === cc[T.VEOF]) {
        this.endLine(DISABLED_CHAR);
        return true;
      }
      if (c === cc[T.VEOL] || (c === cc[T.VEOL2] && (lflag & T.IEXTEN))) {
        if (lflag & T.ECHO) {
          if (this.canonHead === this.head) this.processor.canonColumn = this.processor.column;
          this.echo(c);
        }
        if ((iflag & T.PARMRK) && c === 0xff) this.store(c);
        this.endLine(c);
        return true;
      }
    }
    this.storeEchoed(c);
    return true;
  }

  private endLine(c: number): void {
    this.lineEnd[this.head & MASK] = 1;
    this.buffer[this.head & MASK] = c;
    this.head++;
    this.canonHead = this.head;
  }

  private storeEchoed(c: number): void {
    if (this.termios.lflag & T.ECHO) {
      this.finishErasing();
      if (this.canonHead === this.head) this.processor.canonColumn = this.processor.column;
      if (c === NEWLINE) this.echoRaw(c);
      else this.echo(c);
    }
    if (c === 0xff && (this.termios.iflag & T.PARMRK)) this.store(c);
    this.store(c);
  }

  private store(c: number): void {
    // One place stays free for the end of the line: what is typed beyond that is lost.
    if (this.head - this.tail >= INPUT_SIZE - 1) return;
    this.buffer[this.head & MASK] = c;
    this.lineEnd[this.head & MASK] = 0;
    this.head++;
    if (!this.canonical) this.canonHead = this.head;
  }

  // Line editing.

  private erase(c: number): void {
    if (this.head === this.canonHead) return;
    const { lflag, cc } = this.termios;
    const one = c === cc[T.VERASE];
    const word = !one && c === cc[T.VWERASE] && (lflag & T.IEXTEN) !== 0;
    if (!one && !word) {
      if (!(lflag & T.ECHO)) {
        this.head = this.canonHead;
        return;
      }
      if (!(lflag & T.ECHOK) || !(lflag & T.ECHOKE) || !(lflag & T.ECHOE)) {
        this.head = this.canonHead;
        this.finishErasing();
        this.echo(cc[T.VKILL]);
        if (lflag & T.ECHOK) this.echoRaw(NEWLINE);
        return;
      }
    }
    let seenWord = false;
    while (this.head !== this.canonHead) {
      let at = this.head;
      let erased: number;
      do {
        at--;
        erased = this.buffer[at & MASK];
      } while (isContinuation(this.termios, erased) && at !== this.canonHead);
      // A part of a character is not erased.
      if (isContinuation(this.termios, erased)) break;
      if (word) {
        if (isWordCharacter(erased)) seenWord = true;
        else if (seenWord) break;
      }
      const count = this.head - at;
      this.head = at;
      if (lflag & T.ECHO) this.echoErased(erased, count, one);
      if (one) break;
    }
    if (this.head === this.canonHead && (lflag & T.ECHO)) this.finishErasing();
  }

  private echoErased(c: number, count: number, one: boolean): void {
    const lflag = this.termios.lflag;
    if (lflag & T.ECHOPRT) {
      if (!this.erasing) {
        this.echoRaw(92);
        this.erasing = true;
      }
      this.echo(c);
      for (let i = 1; i < count; i++) this.echoRaw(this.buffer[(this.head + i) & MASK]);
    } else if (one && !(lflag & T.ECHOE)) {
      this.echo(this.termios.cc[T.VERASE]);
    } else if (c === 9) {
      this.echoErasedTab();
    } else {
      if (isControl(c) && (lflag & T.ECHOCTL)) this.rubOut();
      if (!isControl(c) || (lflag & T.ECHOCTL)) this.rubOut();
    }
  }

  private rubOut(): void {
    this.echoRaw(BACKSPACE);
    this.echoRaw(SPACE);
    this.echoRaw(BACKSPACE);
  }

  /** Moves back over a tab: as far as the characters since the last stop tell. */
  private echoErasedTab(): void {
    let width = 0;
    let afterTab = false;
    for (let i = this.head - 1; i >= this.canonHead; i--) {
      const c = this.buffer[i & MASK];
      if (c === 9) {
        afterTab = true;
        break;
      }
      if (isControl(c)) {
        if (this.termios.lflag & T.ECHOCTL) width += 2;
      } else if (!isContinuation(this.termios, c)) {
        width++;
      }
    }
    if (!afterTab) width += this.processor.canonColumn;
    for (let n = 8 - (width & 7); n > 0; n--) this.echoRaw(BACKSPACE);
  }

  private finishErasing(): void {
    if (!this.erasing) return;
    this.echoRaw(47);
    this.erasing = false;
  }

  // Echo.

  /** Echoes a byte, control characters as ^X if ECHOCTL says so. */
  private echo(c: number): void {
    if ((this.termios.lflag & T.ECHOCTL) && isControl(c) && c !== 9) {
      this.echoRaw(CARET);
      this.echoRaw(c ^ 0x40);
    } else {
      this.echoRaw(c);
    }
  }

  private echoRaw(c: number): void {
    if (this.stopped || this.echoPending.length > 0) this.echoPending.pushByte(c);
    else if (!this.processor.put(c)) this.echoPending.pushByte(c);
  }

  /** Lets waiting echo out; call after output was drained. */
  flushEcho(): void {
    const pending = this.echoPending;
    while (!this.stopped && pending.length > 0) {
      if (!this.processor.put(pending.at(0))) return;
      pending.consume(1);
    }
  }

  // Flow control.

  /** Stops output. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.owner.flowChanged(true);
  }

  /** Starts output again. */
  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    this.flushEcho();
    this.owner.flowChanged(false);
  }

  // What programs read.

  /** Bytes that FIONREAD counts. */
  get inputCount(): number {
    if (!this.canonical || (this.termios.lflag & T.EXTPROC)) return this.head - this.tail;
    let count = this.canonHead - this.tail;
    for (let i = this.tail; i < this.canonHead; i++) {
      if (this.lineEnd[i & MASK] && this.buffer[i & MASK] === DISABLED_CHAR) count--;
    }
    return count;
  }

  /** Bytes that can be read as they are, in raw mode. */
  get rawCount(): number {
    return this.head - this.tail;
  }

  /** Whether a complete line is there (canonical), or `minimum` bytes are (raw). */
  hasInput(minimum: number): boolean {
    if (this.canonical) return this.canonHead !== this.tail;
    return this.head - this.tail >= minimum;
  }

  /** Moves one line (canonical) or what there is (raw) to `io`; 0 may be an end of file. */
  read(io: IoBuffer): number {
    let end = this.canonical ? this.canonHead : this.head;
    let consume = 0;
    const limit = this.tail + io.remaining;
    if (this.canonical) {
      for (let i = this.tail; i < this.canonHead; i++) {
        if (!this.lineEnd[i & MASK]) continue;
        if (this.buffer[i & MASK] === DISABLED_CHAR) {
          end = i;
          // An end-of-file character that just does not fit is taken with the line all the same.
          if (i <= limit) consume = 1;
        } else {
          end = i + 1;
        }
        break;
      }
    }
    if (end > limit) end = limit;
    let done = 0;
    while (this.tail < end) {
      const at = this.tail & MASK;
      const run = Math.min(end - this.tail, INPUT_SIZE - at);
      const r = io.put(this.buffer, at, run);
      if (r <= 0) return done > 0 ? done : r;
      this.lineEnd.fill(0, at, at + r);
      this.tail += r;
      done += r;
      if (r < run) return done;
    }
    if (consume === 1) {
      this.lineEnd[this.tail & MASK] = 0;
      this.tail++;
    }
    if (!this.canonical) this.canonHead = this.head;
    return done;
  }

  /** Throws away what was typed. */
  flushInput(): void {
    this.tail = this.canonHead = this.head;
    this.lineEnd.fill(0);
    this.literalNext = false;
    this.erasing = false;
    this.echoPending.clear();
    this.owner.inputFlushed();
  }

  /** Throws away what the master has not read. */
  flushOutput(): void {
    this.output.clear();
    this.echoPending.clear();
    this.owner.outputFlushed();
  }

  /** The modes changed from those of `old`. */
  modesChanged(old: Termios): void {
    if ((old.lflag ^ this.termios.lflag) & (T.ICANON | T.EXTPROC)) {
      this.lineEnd.fill(0);
      if (this.canonical && this.head !== this.tail) {
        // What was typed in raw mode counts as a line, though no character ends it.
        this.canonHead = this.head;
        this.pushedEnd();
      } else {
        this.canonHead = this.canonical ? this.tail : this.head;
      }
      this.literalNext = false;
      this.erasing = false;
    }
    if (!(this.termios.iflag & T.IXON) && (old.iflag & T.IXON) && !this.flowStopped) this.start();
    if (!this.canonical || this.canonHead !== this.tail) this.owner.inputReady();
  }

  private pushedEnd(): void {
    this.lineEnd[(this.head - 1) & MASK] = 1;
  }

  // What programs write.

  /** Takes bytes from `io` through the output modes; returns how many, 0 if there is no room. */
  write(io: IoBuffer): number {
    if (this.stopped) return 0;
    if (this.echoPending.length > 0) this.flushEcho();
    if (!this.processor.active) return this.output.takeFrom(io, io.remaining);
    let done = 0;
    while (io.remaining > 0) {
      // A byte may become eight (a tab), so that many at once always fit.
      const most = Math.min(chunk.length, this.output.space >> 3, io.remaining);
      if (most === 0) break;
      const r = io.take(chunk, 0, most);
      if (r <= 0) return done > 0 ? done : r;
      for (let i = 0; i < r; i++) this.processor.put(chunk[i]);
      done += r;
      if (r < most) break;
    }
    return done;
  }
}

/** Where {@link LineDiscipline.write} keeps bytes between the application and the terminal. */
const chunk = new Uint8Array(4096);
