import { decodeBytes } from "../container/byte_string.ts";

/** What the entry stub of the executable calls the directory that Deno starts from. */
const START_DIRECTORY = /^\/(dev\/shm|run|tmp)\/runsc-start-[0-9a-f]{16}$/;

/**
 * Gives back what only the start needed: the directory of prepared caches, and the memory file of this program, which
 * is loaded by now. Directories of starts that were killed in between go too, once they are a minute old.
 */
export function releaseStartFiles(): void {
  const directory = Deno.env.get("DENO_DIR") ?? "";
  if (!START_DIRECTORY.test(directory)) return;
  Deno.env.delete("DENO_DIR");
  try {
    Deno.removeSync(directory, { recursive: true });
    const parent = directory.slice(0, directory.lastIndexOf("/"));
    const oldest = Date.now() - 60_000;
    for (const { name } of Deno.readDirSync(parent)) {
      const path = `${parent}/${name}`;
      if (!START_DIRECTORY.test(path)) continue;
      const { mtime, uid } = Deno.lstatSync(path);
      if (uid === Deno.uid() && mtime !== null && mtime.getTime() < oldest) {
        Deno.removeSync(path, { recursive: true });
      }
    }
  } catch {
    // Others may clean up at the same time.
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
