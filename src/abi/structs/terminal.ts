/**
 * Structures of terminals (termios(3), ioctl_tty(2)).
 */

import { bytes, hex, struct, u16, u32, u8 } from "../struct.ts";

/** Attributes as the kernel keeps them for TCGETS; C libraries have a larger one. */
export const Termios = struct("termios", {
  c_iflag: hex(u32),
  c_oflag: hex(u32),
  c_cflag: hex(u32),
  c_lflag: hex(u32),
  c_line: u8,
  c_cc: bytes(19),
});
/** Attributes with arbitrary speeds, for TCGETS2. */
export const Termios2 = struct("termios2", {
  c_iflag: hex(u32),
  c_oflag: hex(u32),
  c_cflag: hex(u32),
  c_lflag: hex(u32),
  c_line: u8,
  c_cc: bytes(19),
  c_ispeed: u32,
  c_ospeed: u32,
});
/** The size of the window. */
export const Winsize = struct("winsize", {
  ws_row: u16,
  ws_col: u16,
  ws_xpixel: u16,
  ws_ypixel: u16,
});
