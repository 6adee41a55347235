import { IUTF8 } from "../../../abi/termios.ts";
import type { Termios } from "./termios.ts";

/** Whether `c` is a control character, as the kernel's table has it. */
export function isControl(c: number): boolean {
  return c < 32 || c === 127;
}

/** Whether `c` is a later byte of a UTF-8 sequence on a terminal that knows UTF-8. */
export function isContinuation(termios: Termios, c: number): boolean {
  return (termios.iflag & IUTF8) !== 0 && (c & 0xc0) === 0x80;
}

/** Whether `c` counts as part of a word when VWERASE erases one. */
export function isWordCharacter(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a) ||
    c === 0x5f || (c >= 0xc0 && c !== 0xd7 && c !== 0xf7);
}
