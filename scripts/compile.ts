/**
 * Makes `dist/runsc`, one executable that needs nothing but a Linux kernel and glibc.
 *
 * Where the run-time of `deno compile` is at hand (`DENORT_BIN`), that is used; elsewhere Deno itself carries the
 * program as one more segment.
 *
 * @module
 */
import { graft, type Library } from "./graft/graft.ts";
import { learnStartFiles } from "./graft/start_files.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const ENTRY = `${ROOT}src/cli/main.ts`;
const OUTPUT = `${ROOT}dist/runsc`;

/** Whether the code of every function is kept ready: larger to load, nothing to compile. */
const EVERY_FUNCTION = (Deno.env.get("RUNSC_BUILD_CODE") ?? "all") === "all";

async function deno(args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`deno ${args[0]} failed:\n${new TextDecoder().decode(stderr)}`);
}

/** How the command line imports the sandbox, and how it does so in the executable. */
const BOOT = {
  specifier: "../boot/boot.ts",
  name: "boot.js",
  variable: "RUNSC_BOOT",
  entry: `${ROOT}src/boot/boot.ts`,
};

/** Bundles a module and all it imports into one; lazily imported parts stay lazy in it. */
async function bundle(entry: string, external: string[] = []): Promise<string> {
  const path = await Deno.makeTempFile({ prefix: "runsc-bundle-", suffix: ".js" });
  try {
    const without = external.flatMap((specifier) => ["--external", specifier]);
    await deno([
      "bundle",
      "--quiet",
      "--no-check",
      "--platform=deno",
      ...without,
      "-o",
      path,
      entry,
    ]);
    return await Deno.readTextFile(path);
  } finally {
    await Deno.remove(path);
  }
}

/**
 * The modules of the executable. The sandbox is one of its own: the command line is loaded at every start, the sandbox
 * only by commands that start one.
 */
async function bundleAll(): Promise<{ program: Uint8Array; library: Library }> {
  const encoder = new TextEncoder();
  const lazily = `import("${BOOT.specifier}")`;
  const program = await bundle(ENTRY, [BOOT.specifier]);
  if (program.split(lazily).length !== 2) throw new Error(`${ENTRY} has not one ${lazily}`);
  const linked = program.replace(lazily, `import(Deno.env.get("${BOOT.variable}"))`);
  const { name, variable } = BOOT;
  const bytes = encoder.encode(await bundle(BOOT.entry));
  return { program: encoder.encode(linked), library: { name, variable, bytes } };
}

/** Builds the executable; resolves to how it was made. */
export async function compile(output = OUTPUT): Promise<"deno compile" | "graft"> {
  await Deno.mkdir(output.slice(0, output.lastIndexOf("/")), { recursive: true });
  if (Deno.env.has("DENORT_BIN")) {
    await deno(["compile", "--quiet", "--no-check", "-A", "-o", output, ENTRY]);
    return "deno compile";
  }
  const { program, library } = await bundleAll();
  const source = await Deno.realPath(Deno.execPath());
  const trainee = `${output}.${Deno.pid}.training`;
  try {
    graft({ deno: source, output: trainee, program, library, startFiles: null });
    const startFiles = learnStartFiles({
      executable: trainee,
      args: ["--version"],
      everyFunction: EVERY_FUNCTION,
    });
    graft({ deno: source, output, program, library, startFiles });
  } finally {
    await Deno.remove(trainee).catch(() => {});
  }
  return "graft";
}

/** Everything that the executable is made of. */
const SOURCES = ["src", "ffi", "scripts/graft", "scripts/compile.ts", "deno.json", "deno.lock"];

function newest(path: string): number {
  const info = Deno.statSync(path);
  let time = info.mtime?.getTime() ?? 0;
  if (!info.isDirectory) return time;
  for (const entry of Deno.readDirSync(path)) {
    time = Math.max(time, newest(`${path}/${entry.name}`));
  }
  return time;
}

/** Builds `dist/runsc` unless it is newer than all that it is made of; resolves to its path. */
export async function compileIfStale(): Promise<string> {
  let built = 0;
  try {
    built = Deno.statSync(OUTPUT).mtime?.getTime() ?? 0;
  } catch {
    // Not built yet.
  }
  if (SOURCES.some((path) => newest(ROOT + path) > built)) await compile();
  return OUTPUT;
}

if (import.meta.main) {
  const start = performance.now();
  const how = await compile();
  const size = (await Deno.stat(OUTPUT)).size / 2 ** 20;
  const seconds = (performance.now() - start) / 1000;
  console.log(`dist/runsc: ${size.toFixed(0)} MB by ${how}, in ${seconds.toFixed(1)} s`);
}
