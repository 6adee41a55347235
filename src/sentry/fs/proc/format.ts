/** Ways in which procfs writes numbers and names. */

/** A number in hexadecimal, at least `width` digits. */
export function hex(value: number, width = 1): string {
  return value.toString(16).padStart(width, "0");
}

/** A 64-bit mask given by halves, as 16 hexadecimal digits. */
export function mask64(lo: number, hi: number): string {
  return hex(hi >>> 0, 8) + hex(lo >>> 0, 8);
}

/** A path with blanks and backslashes as octal escapes, as tables of mounts have it. */
export function escapePath(text: string): string {
  return text.replace(/[ \t\n\\#]/g, (c) => "\\" + c.charCodeAt(0).toString(8).padStart(3, "0"));
}

/** A size in kilobytes, right-aligned, as in meminfo. */
export function kilobytes(bytes: number): string {
  return `${String(Math.floor(bytes / 1024)).padStart(8)} kB`;
}

/** A time in nanoseconds as clock ticks of 1/100 s. */
export function ticks(ns: number): number {
  return Math.floor(ns / 1e7);
}

/** Bits of `bytes` as a list of ranges (`0-3,8`). */
export function cpuList(bytes: Uint8Array, count: number): string {
  const parts: string[] = [];
  let start = -1;
  for (let i = 0; i <= count; i++) {
    const set = i < count && ((bytes[i >> 3] ?? 0) & (1 << (i & 7))) !== 0;
    if (set && start < 0) start = i;
    if (!set && start >= 0) {
      parts.push(i - 1 === start ? String(start) : `${start}-${i - 1}`);
      start = -1;
    }
  }
  return parts.join(",");
}

/** Bits of `bytes` as hexadecimal words of 32 bits, the highest first. */
export function cpuMask(bytes: Uint8Array, count: number): string {
  const words: string[] = [];
  for (let w = 0; w * 32 < count; w++) {
    let word = 0;
    for (let i = 0; i < 32 && w * 32 + i < count; i++) {
      const cpu = w * 32 + i;
      if (((bytes[cpu >> 3] ?? 0) & (1 << (cpu & 7))) !== 0) word |= 1 << i;
    }
    words.unshift(hex(word >>> 0, count < 32 ? Math.ceil(count / 4) : 8));
  }
  return words.join(",");
}
