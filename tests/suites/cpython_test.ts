/**
 * The test suite of CPython (Debian's libpython3.11-testsuite) passes in the sandbox where it passes on the host.
 *
 * Modules that take long are left out unless `CPYTHON=all`; `CPYTHON=test_os,test_io` runs those only. They run on
 * systrap, and on the platform that `RUNSC_PLATFORM` names.
 */
import assert from "node:assert/strict";
import { onPlatforms, sandboxed } from "../support/guest.ts";
import { type Outcome, type RunOptions, runProgram } from "../support/runsc.ts";

const PYTHON = "/usr/bin/python3.11";
const SUITE = "/usr/lib/python3.11/test";

const SHORT = [
  "test_epoll",
  "test_fcntl",
  "test_mmap",
  "test_pipes",
  "test_posix",
  "test_pty",
  "test_resource",
  "test_select",
  "test_thread",
  "test_time",
];
const LONG = [
  "test_asyncio",
  "test_eintr",
  "test_faulthandler",
  "test_io",
  "test_multiprocessing_fork",
  "test_multiprocessing_forkserver",
  "test_multiprocessing_spawn",
  "test_os",
  "test_selectors",
  "test_signal",
  "test_socket",
  "test_subprocess",
  "test_threading",
  "test_wait3",
  "test_wait4",
];

/** What passes on the host only, and why. */
const EXPECTED: [pattern: RegExp, reason: string][] = [
  [/UDPLITE/, "UDP-Lite is not provided; Linux itself drops it."],
  [/testInterfaceNameIndex|scopeid_symbolic/, "The only interface is the loopback."],
];

/** Seconds that a module may take. */
const LIMIT = 400;

const environment = { LC_ALL: "C.UTF-8", LANG: "C.UTF-8", PYTHONDONTWRITEBYTECODE: "1" };

/** Runs a module and then tells the report, which lies where the sandbox has a tree of its own. */
function command(module: string): string[] {
  // The test that is left out would set the clock of the host.
  const script = 'mkdir work; "$0" -m test --timeout "$2" --tempdir "$PWD/work" ' +
    '--junit-xml "$PWD/report.xml" -i test_monotonic_settime "$1" >&2; cat report.xml';
  return ["bash", "-c", script, PYTHON, module, String(LIMIT)];
}

/** The tests of a report that passed, by name. */
function passed(report: string): Set<string> {
  const names = new Set<string>();
  const one =
    /<testcase name="([^"]+)" status="run" result="completed"[^>]*?(\/>|>(.*?)<\/testcase>)/gs;
  for (const [, name, , inside = ""] of report.matchAll(one)) {
    if (!/<(failure|error|skipped)\b/.test(inside)) names.add(name);
  }
  return names;
}

/** What a run of a module passes, and what it says. */
async function results(
  run: (options: RunOptions, command: string[]) => Promise<Outcome>,
  module: string,
): Promise<{ names: Set<string>; text: string }> {
  const cwd = await Deno.makeTempDir({ prefix: "runsc-cpython-" });
  try {
    const options = { cwd, timeout: LIMIT * 1000, env: environment };
    const { stdout, stderr } = await run(options, command(module));
    return { names: passed(stdout), text: stderr };
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

async function compareModule(module: string, platform: string): Promise<void> {
  const native = await results((options, args) => runProgram(args, options), module);
  const inside = await results((options, args) => sandboxed(platform, args, options), module);
  assert.ok(native.names.size > 0, `${module} passes nothing on the host:\n${native.text}`);
  const missing = [...native.names].filter((name) => !inside.names.has(name))
    .filter((name) => !EXPECTED.some(([pattern]) => pattern.test(name)));
  assert.deepEqual(
    missing,
    [],
    `${module} passes less in the sandbox:\n${inside.text.slice(-3000)}`,
  );
}

function isInstalled(): boolean {
  try {
    Deno.statSync(`${SUITE}/test_os.py`);
    Deno.statSync(PYTHON);
    return true;
  } catch {
    return false;
  }
}

const asked = Deno.env.get("CPYTHON");
const modules = asked === undefined
  ? SHORT
  : asked === "all"
  ? [...SHORT, ...LONG]
  : asked.split(",");
const platforms = [Deno.env.get("RUNSC_PLATFORM") ?? "systrap"];

if (!isInstalled()) {
  console.log("CPython's tests are left out: libpython3.11-testsuite is not installed");
} else {
  for (const module of modules) {
    onPlatforms(`CPython's ${module}`, (platform) => compareModule(module, platform), {
      platforms,
    });
  }
}
