import { appendSegment, gotSlot, readElf, spareSegment } from "./elf.ts";
import type { Part } from "./parts.ts";
import { prelink } from "./prelink.ts";
import { assembleEntryStub, STUB_SIZE } from "./entry_stub.ts";

/** What goes into the executable beside Deno itself. */
export interface GraftOptions {
  /** The Deno executable to copy. */
  deno: string;
  output: string;
  /** The module to run. */
  program: string;
  parts: Part[];
  /** Contents of `DENO_DIR` at start, by file name; null leaves `DENO_DIR` to the environment. */
  startFiles: Map<string, Uint8Array> | null;
}

/** A start allocates 6 MB: the first collection of young garbage would come in the middle of it and free nothing. */
const V8_FLAGS = "--v8-flags=--min-semi-space-size=8";

const ARGUMENTS = [
  "run",
  V8_FLAGS,
  "-A",
  "--no-config",
  "--no-lock",
  "--cached-only",
  "--no-check",
  "--quiet",
  "--ext=js",
];
const ENVIRONMENT = ["DENO_NO_UPDATE_CHECK=1", "DENO_NO_PACKAGE_JSON=1", "RUST_BACKTRACE=0"];

/** Writes one executable that is Deno, the bundle, and a stub that runs the one with the other. */
export function graft(options: GraftOptions): void {
  const temporary = `${options.output}.${Deno.pid}.tmp`;
  Deno.copyFileSync(options.deno, temporary);
  Deno.chmodSync(temporary, 0o755);
  try {
    using file = Deno.openSync(temporary, { read: true, write: true });
    const elf = prelink(file, readElf(file, options.deno));
    const parts: Uint8Array[] = [];
    let end = STUB_SIZE;
    const place = (bytes: Uint8Array) => {
      const offset = end;
      parts.push(bytes);
      end = Math.ceil((end + bytes.length) / 4096) * 4096;
      return { offset, size: bytes.length };
    };
    const encoder = new TextEncoder();
    const { address, offset: start } = spareSegment(elf);
    const program = place(encoder.encode(options.program));
    const ranges = options.parts.map(({ name, source }) => {
      const { offset, size } = place(encoder.encode(source));
      return `${name}:${start + offset}:${size}`;
    });
    const stub = assembleEntryStub({
      address,
      entry: elf.entry,
      environSlot: gotSlot(file, elf, "environ"),
      arguments: ARGUMENTS,
      environment: [...ENVIRONMENT, `RUNSC_PARTS=${ranges.join(",")}`],
      program,
      startFiles: [...options.startFiles ?? []].map(([name, bytes]) => ({ name, ...place(bytes) })),
      setDenoDir: options.startFiles !== null,
    });
    const payload = new Uint8Array(end);
    payload.set(stub);
    let offset = STUB_SIZE;
    for (const part of parts) {
      payload.set(part, offset);
      offset = Math.ceil((offset + part.length) / 4096) * 4096;
    }
    appendSegment(file, elf, payload);
    Deno.renameSync(temporary, options.output);
  } catch (error) {
    Deno.removeSync(temporary);
    throw error;
  }
}
