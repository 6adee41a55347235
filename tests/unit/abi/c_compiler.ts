import assert from "node:assert/strict";

/** Whether programs in C can be compiled here. */
export async function haveCompiler(): Promise<boolean> {
  try {
    const gcc = new Deno.Command("gcc", { args: ["--version"], stdout: "null", stderr: "null" });
    return (await gcc.output()).success;
  } catch {
    return false;
  }
}

async function run(command: string, args: string[]): Promise<string> {
  const output = await new Deno.Command(command, { args, stdout: "piped", stderr: "piped" })
    .output();
  assert.ok(output.success, new TextDecoder().decode(output.stderr));
  return new TextDecoder().decode(output.stdout);
}

/** Compiles a C program, runs it and returns its output. */
export async function runC(source: string): Promise<string> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/program.c`, source);
    await run("gcc", ["-w", "-o", `${directory}/program`, `${directory}/program.c`]);
    return await run(`${directory}/program`, []);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
