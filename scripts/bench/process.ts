/** Host programs that are run to their end. */

const decoder = new TextDecoder();

/** Runs a program; returns its standard output. Throws if it fails or takes more than `seconds`. */
export async function run(program: string, args: string[], seconds: number): Promise<string> {
  const command = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(seconds * 1000),
  });
  const { code, signal, stdout, stderr } = await command.output();
  if (code !== 0) {
    const why = decoder.decode(stderr).trim().split("\n").slice(-3).join(" / ");
    throw new Error(`${program} ended with ${signal ?? code}: ${why}`);
  }
  return decoder.decode(stdout);
}

/** The values of lines `name value unit`. */
export function parseValues(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    const fields = /^(\S+) ([\d.]+) \S+$/.exec(line);
    if (fields !== null) values.set(fields[1], Number(fields[2]));
  }
  return values;
}

/** The path of a program on PATH that `accept` is content with, or null. */
export function findProgram(name: string, accept: (path: string) => boolean): string | null {
  for (const directory of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${directory}/${name}`;
    try {
      if (Deno.statSync(path).isFile && accept(Deno.realPathSync(path))) return path;
    } catch {
      // It is in none of the directories so far.
    }
  }
  return null;
}
