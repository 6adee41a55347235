import { compileIfStale } from "../../scripts/compile.ts";

/** How one run of a program ended. */
export interface Outcome {
  /** Exit status, 128+N when signal N ended it. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  clearEnv?: boolean;
  /** What the program reads; without it, nothing. */
  stdin?: string | Uint8Array;
  /** Ends the program and fails the run after this many milliseconds; 60 s without it. */
  timeout?: number;
  /** Another copy of the executable. */
  executable?: string;
}

let built: Promise<string> | null = null;

/** Path of the executable under test, built first where its sources are newer. `RUNSC` names another one. */
export function runscPath(): Promise<string> {
  const given = Deno.env.get("RUNSC");
  if (given !== undefined) return Promise.resolve(given);
  built ??= compileIfStale();
  return built;
}

/** Global flags that the environment asks for: `RUNSC_PLATFORM=ptrace` runs every test on that platform. */
export function platformFlags(): string[] {
  const platform = Deno.env.get("RUNSC_PLATFORM");
  return platform === undefined ? [] : ["--platform", platform];
}

/**
 * Runs the executable to its end.
 *
 * @example
 * ```ts
 * const { code, stdout } = await runsc(["do", "--", "echo", "hello"]);
 * ```
 */
export async function runsc(args: string[], options: RunOptions = {}): Promise<Outcome> {
  const executable = options.executable ?? await runscPath();
  return await runProgram([executable, ...platformFlags(), ...args], options);
}

/** Runs a program of the host to its end. */
export async function runProgram(
  [program, ...args]: string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const { stdin, timeout = 60_000 } = options;
  const child = new Deno.Command(program, {
    args,
    cwd: options.cwd,
    env: options.env,
    clearEnv: options.clearEnv,
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (stdin !== undefined) {
    const writer = child.stdin.getWriter();
    const bytes = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
    // A program may end without reading all of it.
    writer.write(bytes).then(() => writer.close()).catch(() => {});
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  // What the program started may outlive it and hold its outputs open: the limit is one for those, too.
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It ended by itself.
      }
      reject(new Error(`${[program, ...args].join(" ")} did not end in ${timeout} ms`));
    }, timeout);
  });
  try {
    const { code, stdout, stderr } = await Promise.race([child.output(), late]);
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } finally {
    clearTimeout(timer);
  }
}
