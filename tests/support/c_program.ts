import { runProgram } from "./runsc.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const CACHE = `${ROOT}dist/test-programs`;

const built = new Map<string, Promise<string>>();

/** Path of the program made from a C file, which is compiled where it is newer than what was made of it. */
export function compileC(source: string, flags: string[] = []): Promise<string> {
  const key = [source, ...flags].join(" ");
  let program = built.get(key);
  if (program === undefined) built.set(key, program = compile(source, flags));
  return program;
}

async function compile(source: string, flags: string[]): Promise<string> {
  const name = source.slice(source.lastIndexOf("/") + 1).replace(/\.c$/, "");
  const output = `${CACHE}/${[name, ...flags].join("").replace(/[^\w-]/g, "_")}`;
  if (await modified(output) > await newestSource(source)) return output;
  await Deno.mkdir(CACHE, { recursive: true });
  const scratch = await Deno.makeTempFile({ dir: CACHE, prefix: name });
  const command = ["gcc", "-O1", "-w", "-pthread", ...flags, "-o", scratch, source, "-lm", "-lrt"];
  const { code, stderr } = await runProgram(command);
  if (code !== 0) throw new Error(`gcc ${source} failed:\n${stderr}`);
  await Deno.rename(scratch, output);
  return output;
}

/** A program depends on its file and on all headers beside it. */
async function newestSource(source: string): Promise<number> {
  const directory = source.slice(0, source.lastIndexOf("/"));
  let newest = await modified(source);
  for await (const { name } of Deno.readDir(directory)) {
    if (name.endsWith(".h")) newest = Math.max(newest, await modified(`${directory}/${name}`));
  }
  return newest;
}

async function modified(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).mtime?.getTime() ?? 0;
  } catch {
    return 0;
  }
}
