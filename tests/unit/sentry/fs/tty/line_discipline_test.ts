import assert from "node:assert/strict";
import { SIGINT, SIGTSTP } from "../../../../../src/abi/signals.ts";
import * as T from "../../../../../src/abi/termios.ts";
import {
  INPUT_SIZE,
  LineDiscipline,
  type LineDisciplineOwner,
} from "../../../../../src/sentry/fs/tty/line_discipline.ts";
import { Termios } from "../../../../../src/sentry/fs/tty/termios.ts";
import { KernelIo } from "../../../../../src/sentry/mm/io_buffer.ts";

const memory = new Uint8Array(0);

/** A terminal with nobody at it. */
class Desk implements LineDisciplineOwner {
  readonly termios = new Termios();
  readonly discipline = new LineDiscipline(this.termios, this);
  readonly signals: number[] = [];
  stopped = false;

  signalForeground(signal: number): void {
    this.signals.push(signal);
  }
  inputReady(): void {}
  outputReady(): void {}
  outputFlushed(): void {}
  inputFlushed(): void {}
  flowChanged(stopped: boolean): void {
    this.stopped = stopped;
  }

  /** Types bytes, and returns what the terminal shows of it. */
  type(text: string): string {
    for (let i = 0; i < text.length; i++) this.discipline.receive(text.charCodeAt(i));
    this.discipline.received();
    return this.shown();
  }

  shown(): string {
    const bytes = new Uint8Array(65536);
    const n = this.discipline.output.shift(bytes, 0, bytes.length);
    this.discipline.flushEcho();
    return String.fromCharCode(...bytes.subarray(0, n));
  }

  /** What a program reads, or null if it would wait. */
  read(size = 4096): string | null {
    if (!this.discipline.hasInput(1)) return null;
    const bytes = new Uint8Array(size);
    const n = this.discipline.read(new KernelIo(memory).reset(bytes, 0, size));
    return String.fromCharCode(...bytes.subarray(0, n));
  }

  write(text: string): number {
    const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
    return this.discipline.write(new KernelIo(memory).reset(bytes, 0, bytes.length));
  }

  change(edit: (t: Termios) => void): void {
    const old = new Termios();
    old.copyFrom(this.termios);
    edit(this.termios);
    this.discipline.modesChanged(old);
  }
}

Deno.test("a line can be edited until it ends, and is read whole", () => {
  const d = new Desk();
  assert.equal(d.type("ab\x7fc"), "ab\b \bc");
  assert.equal(d.read(), null);
  assert.equal(d.type("\r"), "\r\n");
  assert.equal(d.read(), "ac\n");
  d.type("one two  \x17three\n");
  assert.equal(d.read(), "one three\n");
  d.type("gone\x15kept\n");
  assert.equal(d.read(), "kept\n");
  d.type("first\nsecond\n");
  assert.equal(d.read(3), "fir");
  assert.equal(d.read(), "st\n");
  assert.equal(d.read(), "second\n");
});

Deno.test("an end-of-file character ends a read without being part of it", () => {
  const d = new Desk();
  d.type("par");
  assert.equal(d.read(), null);
  d.type("t\x04");
  assert.equal(d.read(), "part");
  d.type("\x04");
  assert.equal(d.read(), "");
  d.type("full\x04");
  assert.equal(d.read(4), "full");
  assert.equal(d.read(), null);
});

Deno.test("the next character can be taken literally", () => {
  const d = new Desk();
  assert.equal(d.type("\x16\x03"), "^\b^C");
  assert.deepEqual(d.signals, []);
  d.type("\n");
  assert.equal(d.read(), "\x03\n");
});

Deno.test("signal characters send signals and throw away what was typed", () => {
  const d = new Desk();
  assert.equal(d.type("junk\x03"), "^C");
  assert.deepEqual(d.signals, [SIGINT]);
  d.type("ok\n");
  assert.equal(d.read(), "ok\n");
  d.change((t) => t.lflag |= T.NOFLSH);
  d.type("kept\x1a\n");
  assert.deepEqual(d.signals, [SIGINT, SIGTSTP]);
  assert.equal(d.read(), "kept\n");
  d.change((t) => t.lflag &= ~T.ISIG);
  d.type("\x03\n");
  assert.equal(d.read(), "\x03\n");
});

Deno.test("a UTF-8 character is erased as one where the terminal knows UTF-8", () => {
  const d = new Desk();
  d.change((t) => t.iflag |= T.IUTF8);
  assert.equal(d.type("\xc3\xa9\x7f"), "\xc3\xa9\b \b");
  d.type("x\n");
  assert.equal(d.read(), "x\n");
});

Deno.test("erasing a tab goes back to where it began", () => {
  const d = new Desk();
  d.write("$ ");
  d.shown();
  assert.equal(d.type("abc\t"), "abc\t");
  assert.equal(d.type("\x7f"), "\b\b\b");
});

Deno.test("without canonical mode bytes are there at once", () => {
  const d = new Desk();
  d.change((t) => {
    t.lflag &= ~(T.ICANON | T.ECHO | T.ISIG);
    t.iflag = 0;
  });
  assert.equal(d.type("a\r\x03"), "");
  assert.equal(d.discipline.rawCount, 3);
  assert.equal(d.read(), "a\r\x03");
});

Deno.test("what was typed in raw mode is a line once lines are wanted, and the other way round", () => {
  const d = new Desk();
  d.change((t) => t.lflag &= ~T.ICANON);
  d.type("abc");
  d.change((t) => t.lflag |= T.ICANON);
  assert.equal(d.read(), "abc");
  d.type("unfinished");
  d.change((t) => t.lflag &= ~T.ICANON);
  assert.equal(d.read(), "unfinished");
});

Deno.test("stopped output waits, echo included", () => {
  const d = new Desk();
  d.type("\x13");
  assert.equal(d.stopped, true);
  assert.equal(d.write("no"), 0);
  assert.equal(d.type("ab"), "");
  assert.equal(d.type("\x11"), "ab");
  assert.equal(d.stopped, false);
  assert.equal(d.write("yes"), 3);
  assert.equal(d.shown(), "yes");
});

Deno.test("output modes change bytes on their way", () => {
  const d = new Desk();
  assert.equal(d.write("a\nb"), 3);
  assert.equal(d.shown(), "a\r\nb");
  d.change((t) => t.oflag = T.OPOST | T.XTABS);
  d.write("\r1\t2\n");
  assert.equal(d.shown(), "\r1       2\n");
  d.change((t) => t.oflag = 0);
  d.write("x\n\t");
  assert.equal(d.shown(), "x\n\t");
});

Deno.test("a line that is too long is cut, and its end still comes through", () => {
  const d = new Desk();
  d.change((t) => t.lflag &= ~T.ECHO);
  for (let i = 0; i < INPUT_SIZE + 500; i++) d.discipline.receive(0x61);
  d.type("\n");
  const line = d.read(INPUT_SIZE + 10)!;
  assert.equal(line.length, INPUT_SIZE);
  assert.equal(line.endsWith("a\n"), true);
  assert.equal(d.read(), null);
});

Deno.test("output that nobody reads holds writers back", () => {
  const d = new Desk();
  let total = 0;
  for (;;) {
    const n = d.write("x".repeat(4000));
    if (n === 0) break;
    total += n;
  }
  assert.equal(total > 32768 && total <= 65536, true);
  assert.equal(d.shown().length, total);
  assert.equal(d.write("more"), 4);
});
