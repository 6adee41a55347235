/**
 * Runs the same program on the host and in the sandbox and compares what comes of it.
 *
 * `RUNSC_PLATFORM=ptrace` or `RUNSC_PLATFORM=systrap` runs the tests on one platform instead of both.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Outcome, type RunOptions, runProgram, runscPath } from "./runsc.ts";
import { isMissing, PATH } from "./tools.ts";

/** What every guest program finds in its environment, whoever runs the tests. */
export const ENVIRONMENT: Record<string, string> = {
  PATH,
  HOME: "/tmp",
  LANG: "C",
  LC_ALL: "C",
  TZ: "UTC",
  TERM: "dumb",
  USER: "root",
  SHELL: "/bin/bash",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_DATE: "2024-01-02T03:04:05Z",
  GIT_COMMITTER_DATE: "2024-01-02T03:04:05Z",
  PYTHONDONTWRITEBYTECODE: "1",
  GOFLAGS: "-mod=mod",
  GO111MODULE: "off",
};

/** Platforms that the tests are to run on. */
export const PLATFORMS: string[] = (Deno.env.get("RUNSC_PLATFORM") ?? "systrap,ptrace").split(",");

export interface GuestOptions {
  /** Programs of the host without which the test is left out. */
  needs?: string[];
  /** All platforms without it. */
  platforms?: string[];
  env?: Record<string, string>;
  stdin?: string | Uint8Array;
  /** Milliseconds for each run; 120,000 without it. */
  timeout?: number;
  /** Whether standard error has to be the same too; it has to without it. */
  stderr?: boolean;
  /** What both outputs go through before they are compared; without it, what a shell says of a process's id is lost. */
  normalize?: (text: string) => string;
  /** Flags of `runsc do`. */
  flags?: string[];
}

/** A run in the sandbox on one platform, with the environment of guest programs. */
export async function sandboxed(
  platform: string,
  args: string[],
  options: RunOptions & { flags?: string[] } = {},
): Promise<Outcome> {
  const runsc = await runscPath();
  const command = [runsc, "--platform", platform, "do", ...(options.flags ?? []), "--", ...args];
  return await runProgram(command, withEnvironment(options));
}

function withEnvironment(options: RunOptions): RunOptions {
  return {
    timeout: 120_000,
    ...options,
    clearEnv: true,
    env: { ...ENVIRONMENT, ...options.env },
  };
}

/** Registers one test for each platform: the function gets the platform. */
export function onPlatforms(
  name: string,
  test: (platform: string) => Promise<void>,
  { needs = [], platforms = PLATFORMS }: Pick<GuestOptions, "needs" | "platforms"> = {},
): void {
  const ignore = isMissing(name, needs);
  for (const platform of platforms) {
    if (!PLATFORMS.includes(platform)) continue;
    const whole = `${name} (${platform})`;
    Deno.test({ name: whole, ignore, fn: () => twice(whole, () => test(platform)) });
  }
}

/**
 * Runs a test again if it fails, and says so: on a machine that others use too, a program may be starved past its own time
 * limits. What fails twice in a row fails.
 */
async function twice(name: string, test: () => Promise<void>): Promise<void> {
  try {
    await test();
  } catch (error) {
    console.error(`${name} failed and is run again: ${error}`);
    await test();
  }
}

/**
 * Registers the comparison of one command line: both runs start in the same empty directory, and end with the same
 * status and the same outputs.
 *
 * @example
 * ```ts
 * compare("a pipeline", ["bash", "-c", "echo b a | tr ' ' '\\n' | sort"]);
 * ```
 */
export function compare(
  name: string,
  args: string[] | (() => Promise<string[]>),
  options: GuestOptions = {},
): void {
  const { stderr = true, normalize = withoutPids } = options;
  let native: Promise<{ outcome: Outcome; directory: string; command: string[] }> | null = null;
  onPlatforms(name, async (platform) => {
    const { outcome, directory, command } = await (native ??= runNatively());
    const run = { ...options, cwd: directory };
    const actual = await sandboxed(platform, command, run);
    const pick = (o: Outcome) => ({
      code: o.code,
      stdout: normalize(o.stdout),
      // What the sandbox says of itself is never the program's.
      stderr: stderr
        ? normalize(o.stderr)
        : /^(runsc|error|\S*panic)[: ].*$/m.exec(o.stderr)?.[0] ?? "",
    });
    const expected = pick(outcome);
    if (!stderr) expected.stderr = "";
    const got = pick(actual);
    if (JSON.stringify(got) !== JSON.stringify(expected)) {
      const hint = actual.stderr.slice(-2000);
      assert.deepEqual(got, expected, `${differences(got, expected)}\nstderr: ${hint}`);
    }
  }, options);

  async function runNatively() {
    const command = typeof args === "function" ? await args() : args;
    const directory = await Deno.makeTempDir({ prefix: "runsc-guest-" });
    globalThis.addEventListener("unload", () => {
      try {
        Deno.removeSync(directory, { recursive: true });
      } catch {
        // A program may have left what only it can remove.
      }
    });
    const outcome = await runProgram(command, withEnvironment({ ...options, cwd: directory }));
    // The sandbox has to find the directory as the native run did: empty.
    await runProgram(["find", directory, "-mindepth", "1", "-delete"]);
    return { outcome, directory, command };
  }
}

/** `line 12:  345 Killed` of a shell that runs a script. */
export function withoutPids(text: string): string {
  return text.replace(/(: line \d+:) +\d+ /g, "$1 PID ");
}

type Picked = Pick<Outcome, "code" | "stdout" | "stderr">;

/** The lines that differ, few enough to read. */
function differences(got: Picked, expected: Picked): string {
  const lines: string[] = [];
  if (got.code !== expected.code) lines.push(`status ${got.code}, natively ${expected.code}`);
  for (const stream of ["stdout", "stderr"] as const) {
    const a = got[stream].split("\n");
    const b = expected[stream].split("\n");
    let shown = 0;
    for (let i = 0; i < Math.max(a.length, b.length) && shown < 12; i++) {
      if (a[i] === b[i]) continue;
      lines.push(`${stream} line ${i + 1}: ${JSON.stringify(a[i])}`);
      lines.push(`            natively: ${JSON.stringify(b[i])}`);
      shown++;
    }
  }
  return lines.join("\n");
}
