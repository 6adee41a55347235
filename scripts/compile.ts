/**
 * Makes `dist/runsc`, one executable that needs nothing but a Linux kernel and glibc.
 *
 * Where the run-time of `deno compile` is at hand (`DENORT_BIN`), that is used; elsewhere Deno itself carries the
 * program as one more segment.
 *
 * @module
 */
import { storeKeptCode } from "../ffi/kept_code.ts";
// These declare all the code that is kept.
import "../ffi/spawn_process.ts";
import "../src/boot/boot.ts";
import "../src/cli/command_line.ts";
import { graft } from "./graft/graft.ts";
import { makeLazy } from "./graft/lazy_modules.ts";
import { asScript, link, withLoader } from "./graft/parts.ts";
import { learnCode, learnStartFiles, type Training } from "./graft/start_files.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const ENTRY = `${ROOT}src/cli/main.ts`;
const OUTPUT = `${ROOT}dist/runsc`;

/** Parts of the program that are loaded only when they are wanted, and which of them each may load. */
const PARTS: { name: string; specifier: string; loads?: string[] }[] = [
  { name: "cli.js", specifier: "./command_line.ts", loads: ["boot.js", "trace.js"] },
  { name: "boot.js", specifier: "../boot/boot.ts" },
  { name: "trace.js", specifier: "../boot/trace.ts" },
];

/** Where the specifiers of the parts start. */
const BASE = `file://${ROOT}src/cli/`;

async function runDeno(args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`deno ${args[0]} failed:\n${new TextDecoder().decode(stderr)}`);
}

/**
 * Bundles a module and all it imports into one; what is imported lazily stays lazy in it. The first pass makes pieces of
 * it. The second sees modules that belong together as one, and so leaves out what calls of functions without side effects,
 * declared elsewhere, gave a name that nobody uses.
 */
async function bundle(entry: string, external: string[] = []): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "runsc-bundle-" });
  const flags = ["bundle", "--quiet", "--no-check", "--platform=deno"];
  flags.push(...external.flatMap((specifier) => ["--external", specifier]));
  try {
    await runDeno([...flags, "--code-splitting", "--outdir", directory, entry]);
    const pieces = new Map<string, string>();
    for (const { name } of Deno.readDirSync(directory)) {
      pieces.set(name, Deno.readTextFileSync(`${directory}/${name}`));
    }
    for (const [name, text] of makeLazy(pieces)) {
      Deno.writeTextFileSync(`${directory}/${name}`, text);
    }
    const main = `${directory}/${entry.slice(entry.lastIndexOf("/") + 1).replace(/\.ts$/, ".js")}`;
    await runDeno([...flags, "--minify", "-o", `${directory}/whole.js`, main]);
    return await Deno.readTextFile(`${directory}/whole.js`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** The program and its parts. Each part is whole in itself, so what parts share must keep no state. */
async function bundleAll() {
  const program = await bundle(ENTRY, [PARTS[0].specifier]);
  const constants = { RUNSC_KEPT_CODE: storeKeptCode() };
  const parts = await Promise.all(PARTS.map(async ({ name, specifier, loads = [] }) => {
    const others = PARTS.filter((part) => loads.includes(part.name));
    const entry = new URL(specifier, BASE).pathname;
    const module = await bundle(entry, others.map((part) => part.specifier));
    return { name, source: asScript(link(module, others), constants) };
  }));
  return { program: link(program, [PARTS[0]]), parts };
}

/** Command lines that use the program as most do. What they run is what the executable keeps the code of. */
function trainingCommands(directory: string): Training[] {
  const bundle = `${directory}/bundle`;
  Deno.mkdirSync(`${bundle}/rootfs`, { recursive: true });
  const run = ["--root", `${directory}/root`, "run", "--bundle", bundle, `training-${Deno.pid}`];
  return [
    { args: ["do", "--", "/bin/true"] },
    { args: ["--version"] },
    { args: ["spec", "--bundle", bundle] },
    // It has a root file system without a program, which is all the same to most of what happens.
    { args: run, mayFail: true },
  ];
}

/** Builds the executable; resolves to how it was made. */
export async function compile(output = OUTPUT): Promise<"deno compile" | "graft"> {
  await Deno.mkdir(output.slice(0, output.lastIndexOf("/")), { recursive: true });
  if (Deno.env.has("DENORT_BIN")) {
    await runDeno(["compile", "--quiet", "--no-check", "-A", "-o", output, ENTRY]);
    return "deno compile";
  }
  const { program, parts } = await bundleAll();
  const deno = await Deno.realPath(Deno.execPath());
  const trainee = `${output}.${Deno.pid}.training`;
  const directory = await Deno.makeTempDir({ prefix: "runsc-training-" });
  try {
    graft({
      deno,
      output: trainee,
      program: withLoader(program, "learn"),
      parts,
      startFiles: null,
    });
    const code = learnCode(trainee, trainingCommands(directory), directory);
    const final = withLoader(program, "run");
    graft({ deno, output: trainee, program: final, parts, startFiles: null });
    const startFiles = learnStartFiles({ executable: trainee, args: ["--version"], code });
    graft({ deno, output, program: final, parts, startFiles });
  } finally {
    await Deno.remove(trainee).catch(() => {});
    await Deno.remove(directory, { recursive: true });
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
