/**
 * Parts of the program as scripts. V8 keeps the code of a module as it was compiled, before anything ran; of a script it
 * can keep what has been compiled when it has run for a while, which is what the next run will want, and no more.
 */

import { exportedNames } from "./lazy_modules.ts";

/** A script that the program loads when it wants it. */
export interface Part {
  name: string;
  source: string;
}

/** The end of a bundle: the names that it exports. */
const EXPORTS = /export\s*\{([^{}]*)\};?\s*$/;

/**
 * Turns a bundle into a script whose value is an object of what the bundle exports. It finds the constants, anything that
 * JSON can write, under their names, if it speaks of them.
 */
export function asScript(bundle: string, constants: Record<string, unknown> = {}): string {
  const match = EXPORTS.exec(bundle);
  if (match === null) throw new Error("a part of the program exports nothing");
  const names = exportedNames(match[1]).map(({ own, exported }) => `${exported}: ${own}`);
  const body = bundle.slice(0, match.index);
  // V8 needs half the memory for text that is all ASCII, and reads it faster.
  const ascii = body.replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const defined = Object.entries(constants).filter(([name]) => body.includes(name))
    .map(([name, value]) => `const ${name}=${JSON.stringify(value)};`);
  return `(()=>{${defined.join("")}${ascii}\nreturn{${names.join(",")}}})()\n`;
}

/** Puts the loading of parts in place of their imports. */
export function link(bundle: string, parts: { name: string; specifier: string }[]): string {
  let linked = bundle;
  for (const { name, specifier } of parts) {
    const pieces = linked.split(`import("${specifier}")`);
    if (pieces.length !== 2) throw new Error(`${specifier} is imported ${pieces.length - 1} times`);
    linked = pieces.join(`RUNSC_LOAD_PART("${name}")`);
  }
  return linked;
}

/** Gives the program what loads its parts: as the executable does, or so that the build learns of them. */
export function withLoader(program: string, mode: "run" | "learn"): string {
  return `globalThis.RUNSC_LOAD_PART=${mode === "run" ? loadPart : learnPart};\n${program}`;
}

interface Core {
  evalContext(
    source: string,
    specifier: string,
  ): [value: unknown, error: { thrown: unknown } | null];
}

/** Runs in the executable: evaluates a part, for which Deno looks up code by the part's name. */
function loadPart(name: string): unknown {
  const range = Deno.env.get("RUNSC_PARTS")!.split(",").map((part) => part.split(":"))
    .find((part) => part[0] === name)!;
  const bytes = new Uint8Array(Number(range[2]));
  const file = Deno.openSync("/proc/self/exe");
  file.seekSync(Number(range[1]), 0);
  for (let at = 0; at < bytes.length;) at += file.readSync(bytes.subarray(at)) ?? 0;
  file.close();
  const { core } = (Deno as unknown as Record<symbol, { core: Core }>)[
    (Deno as unknown as { internal: symbol }).internal
  ];
  const source = new TextDecoder().decode(bytes);
  const [value, error] = core.evalContext(source, `file:///runsc/${name}`);
  if (error !== null) throw error.thrown;
  return value;
}

/** Runs while the executable is made: does the same, and adds to the code that is in a file what V8 has at exit. */
async function learnPart(name: string): Promise<unknown> {
  const range = Deno.env.get("RUNSC_PARTS")!.split(",").map((part) => part.split(":"))
    .find((part) => part[0] === name)!;
  const bytes = (await Deno.readFile("/proc/self/exe")).subarray(Number(range[1])).subarray(
    0,
    Number(range[2]),
  );
  const { default: vm } = await import("node:vm");
  const { Buffer } = await import("node:buffer");
  const output = `${Deno.env.get("RUNSC_LEARN")!}/${name}.code`;
  let known: Uint8Array | null = null;
  try {
    known = await Deno.readFile(output);
  } catch {
    // This is the first run.
  }
  const script = new vm.Script(new TextDecoder().decode(bytes), {
    filename: `file:///runsc/${name}`,
    ...(known === null ? {} : { cachedData: Buffer.from(known) }),
  });
  // Opened now: a sandbox reaches no files of the host in the end.
  const file = Deno.openSync(output, { write: true, create: true });
  addEventListener("unload", () => {
    file.truncateSync();
    file.writeSync(script.createCachedData());
  });
  return script.runInThisContext();
}
