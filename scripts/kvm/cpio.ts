/** Writes cpio archives as the kernel takes them for an initramfs: Documentation/driver-api/early-userspace. */

/** A file of an archive; without content it is a directory. */
export interface CpioEntry {
  path: string;
  mode: number;
  content?: Uint8Array;
}

const DIRECTORY = 0o040000;
const REGULAR = 0o100000;

/** The archive, in the "newc" format. */
export function cpio(entries: readonly CpioEntry[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const encoder = new TextEncoder();
  const pad = (length: number) => new Uint8Array((4 - length % 4) % 4);
  const add = (ino: number, path: string, mode: number, content: Uint8Array) => {
    const fields = [ino, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, path.length + 1, 0];
    const header = "070701" + fields.map((n) => n.toString(16).padStart(8, "0")).join("");
    const head = encoder.encode(`${header}${path}\0`);
    parts.push(head, pad(head.length), content, pad(content.length));
  };
  entries.forEach(({ path, mode, content }, i) => {
    const kind = content === undefined ? DIRECTORY : REGULAR;
    add(i + 1, path, kind | mode, content ?? new Uint8Array(0));
  });
  add(0, "TRAILER!!!", 0, new Uint8Array(0));
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
