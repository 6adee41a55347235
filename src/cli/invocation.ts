import { decodeBytes } from "../container/byte_string.ts";

/** Directories that the entry stub of the executable makes. */
const START_DIRECTORY = /^\/(dev\/shm|run|tmp)\/runsc-start-[0-9a-f]{16}$/;

/**
 * Removes the directory that the executable started from: prepared caches of Deno. No part of the program
 * can be loaded afterwards. Directories of starts that were killed in between go too, when they are a minute old.
 */
export function releaseStartFiles(): void {
  if (!Deno.env.has("RUNSC_PARTS")) return;
  Deno.env.delete("RUNSC_PARTS");
  const directory = Deno.env.get("DENO_DIR") ?? "";
  if (!START_DIRECTORY.test(directory)) return;
  Deno.env.delete("DENO_DIR");
  try {
    Deno.removeSync(directory, { recursive: true });
    removeAbandoned(directory.slice(0, directory.lastIndexOf("/")));
  } catch {
    // Others may clean up at the same time.
  }
}

function removeAbandoned(parent: string): void {
  const oldest = Date.now() - 60_000;
  for (const { name } of Deno.readDirSync(parent)) {
    const path = `${parent}/${name}`;
    if (!START_DIRECTORY.test(path)) continue;
    const { mtime, uid } = Deno.lstatSync(path);
    if (uid === Deno.uid() && mtime !== null && mtime.getTime() < oldest) {
      Deno.removeSync(path, { recursive: true });
    }
  }
}

/** The command line, byte for byte. */
export function commandLine(): string[] {
  // Deno replaces what is no UTF-8; the kernel still has the bytes.
  if (!Deno.args.some((argument) => argument.includes("\uFFFD"))) return [...Deno.args];
  return zeroTerminated("/proc/self/cmdline").slice(-Deno.args.length);
}

/** The environment that this program was started with, byte for byte. */
export function hostEnvironment(): string[] {
  return zeroTerminated("/proc/self/environ").filter((entry) => /^[^=]+=/s.test(entry));
}

function zeroTerminated(path: string): string[] {
  const bytes = Deno.readFileSync(path);
  const items: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0, at);
    const stop = end < 0 ? bytes.length : end;
    items.push(decodeBytes(bytes.subarray(at, stop)));
    at = stop + 1;
  }
  return items;
}
