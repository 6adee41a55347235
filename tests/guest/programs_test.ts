/**
 * Every C file in `src/` and every script in `programs/` is a test by itself: it has to do the same on the host and in
 * the sandbox. In the first lines of such a file, `needs: gcc make` names programs it cannot do without,
 * `interpreter: busybox sh` what runs it, `platforms: systrap` where it is tried, and `stderr: any` says that its
 * standard error is its own affair.
 */
import { compileC } from "../support/c_program.ts";
import { compare, type GuestOptions } from "../support/guest.ts";

const HERE = new URL(".", import.meta.url).pathname;

/** Programs that are run linked statically too: with their own C library, without a dynamic linker. */
const STATIC = new Set(["kernel_threads.c", "kernel_signals.c", "kernel_clone.c"]);

const INTERPRETERS: Record<string, string> = { sh: "bash", py: "python3", pl: "perl" };

function filesIn(directory: string, pattern: RegExp): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).filter((n) => pattern.test(n))
    .sort();
}

function optionsOf(path: string): GuestOptions & { interpreter: string[] } {
  const head = Deno.readTextFileSync(path).split("\n", 12).join("\n");
  const word = (key: string) =>
    new RegExp(`\\b${key}: (.*?)(?: \\*/)?$`, "m").exec(head)?.[1].trim();
  const usual = INTERPRETERS[path.slice(path.lastIndexOf(".") + 1)] ?? "";
  return {
    interpreter: (word("interpreter") ?? usual).split(" "),
    needs: (word("needs") ?? "").split(/\s+/).filter((name) => name !== ""),
    stderr: word("stderr") !== "any",
    platforms: word("platforms")?.split(/\s+/),
  };
}

for (const name of filesIn(`${HERE}src`, /\.c$/)) {
  const source = `${HERE}src/${name}`;
  const options = optionsOf(source);
  const needs = ["gcc", ...(options.needs ?? [])];
  compare(`C program ${name}`, async () => [await compileC(source)], { ...options, needs });
  if (!STATIC.has(name)) continue;
  const program = async () => [await compileC(source, ["-static"])];
  compare(`static C program ${name}`, program, { ...options, needs });
}

for (const name of filesIn(`${HERE}programs`, /\.(sh|py|pl)$/)) {
  const path = `${HERE}programs/${name}`;
  const options = optionsOf(path);
  const needs = [options.interpreter[0], ...(options.needs ?? [])];
  compare(`script ${name}`, [...options.interpreter, path], { ...options, needs });
}
