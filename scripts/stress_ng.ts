/**
 * Runs every stressor of stress-ng for a moment on the host and in the sandbox, as an ordinary user, and writes what came
 * of it to `docs/stress_ng.md`.
 *
 * Results are kept in a file, so that the run can be broken off and continued:
 *
 *     deno run -A scripts/stress_ng.ts [--seconds 1] [--state /tmp/stress.json] [stressor...]
 *
 * @module
 */

const ROOT = new URL("..", import.meta.url).pathname;
const DOCUMENT = `${ROOT}docs/stress_ng.md`;
/** They would disturb the machine that this runs on, or take all of its memory. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "bigheap": "takes all memory",
  "cpu-online": "switches processors off",
  "oom-pipe": "takes all memory",
  "reboot": "restarts the machine",
  "resources": "takes all memory",
  "softlockup": "needs real-time priority over everything else",
  "watchdog": "may reset the machine",
};
/** Why the sandbox differs. */
const REASONS: Readonly<Record<string, string>> = {
  "fiemap": "Files in memory do not tell their extents.",
  "l1cache": "/sys does not tell the sizes of caches.",
  "llc-affinity": "/sys does not tell the sizes of caches.",
  "pci": "There are no PCI devices.",
  "sockdiag": "There is no NETLINK_SOCK_DIAG.",
  "userfaultfd": "Page faults are not handed to user space.",
  "pkey": "There are no protection keys but the default one.",
  "rseq": "Restartable sequences are not offered.",
  "fanotify": "Whole mounts cannot be watched.",
  "kvm": "There is no /dev/kvm.",
  "landlock": "The sandbox has no security modules of its own.",
  "secretmem": "Memory cannot be hidden from the kernel of the sandbox.",
};

interface Result {
  native: string;
  sandbox: string;
}

type State = Record<string, Result>;

async function outcome(command: string[], seconds: number): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "stress-" });
  await Deno.chmod(directory, 0o777);
  try {
    const limited = ["timeout", "-k", "2", String(seconds + 25), ...command];
    const run = new Deno.Command(limited[0], {
      args: limited.slice(1),
      cwd: directory,
      stdout: "piped",
      stderr: "piped",
      stdin: "null",
      env: { HOME: directory },
    });
    const { code, stdout, stderr } = await run.output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    switch (code) {
      case 0:
        return /skipped: 1\b|\(not implemented|skipping stressor/.test(text) ? "skipped" : "passed";
      case 2:
        return "failed";
      case 3:
      case 4:
        return "skipped";
      case 124:
      case 137:
        return "hung";
      default:
        return `status ${code}`;
    }
  } finally {
    await Deno.remove(directory, { recursive: true }).catch(() => {});
  }
}

/** The stressor as an ordinary user that may not take much memory. */
function stress(name: string, seconds: number): string[] {
  const limits = 'ulimit -v 2000000; exec "$@"';
  const user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const arguments_ = [`--${name}`, "1", "--timeout", String(seconds), "--oomable"];
  return ["bash", "-c", limits, "-", ...user, "stress-ng", ...arguments_];
}

async function run(name: string, seconds: number): Promise<Result> {
  const command = stress(name, seconds);
  const native = await outcome(command, seconds);
  const sandbox = await outcome([`${ROOT}dist/runsc`, "do", "--", ...command], seconds);
  return { native, sandbox };
}

async function stressors(): Promise<string[]> {
  const { stdout } = await new Deno.Command("stress-ng", { args: ["--stressors"] }).output();
  return new TextDecoder().decode(stdout).trim().split(/\s+/);
}

function document(state: State, seconds: number): string {
  const names = Object.keys(state).sort();
  const same = names.filter((name) => state[name].native === state[name].sandbox);
  const passed = names.filter((name) => state[name].sandbox === "passed");
  const fails = names.filter((name) =>
    state[name].native === "passed" && state[name].sandbox !== "passed"
  );
  const lines = [
    "# stress-ng",
    "",
    "<!-- Written by scripts/stress_ng.ts. -->",
    "",
    `Each stressor of stress-ng ran for ${seconds} s on the host and in the sandbox, as an ordinary user. Of ${names.length}, ` +
    `${passed.length} pass in the sandbox; ${same.length} end as they do on the host; ${fails.length} pass on the host only.`,
    "",
    "*Skipped* is what stress-ng itself says of a stressor that this user, kernel or machine has nothing for.",
    "",
    "## What passes on the host only",
    "",
    "| stressor | in the sandbox | why |",
    "| --- | --- | --- |",
    ...fails.map((name) => `| ${name} | ${state[name].sandbox} | ${REASONS[name] ?? ""} |`),
    "",
    "## All",
    "",
    "| stressor | host | sandbox |",
    "| --- | --- | --- |",
    ...names.map((name) => `| ${name} | ${state[name].native} | ${state[name].sandbox} |`),
    "",
    "Left out: " +
    Object.entries(LEFT_OUT).map(([name, reason]) => `${name} (${reason})`).join(", ") + ".",
    "",
  ];
  return lines.join("\n");
}

function option(args: string[], name: string, otherwise: string): string {
  const at = args.indexOf(name);
  return at < 0 ? otherwise : args.splice(at, 2)[1];
}

const args = [...Deno.args];
const seconds = Number(option(args, "--seconds", "1"));
const stateFile = option(args, "--state", "/tmp/stress_ng.json");
const state: State = {};
try {
  Object.assign(state, JSON.parse(await Deno.readTextFile(stateFile)));
} catch {
  // There are no results yet.
}
const chosen = args.length > 0 ? args : await stressors();
for (const name of chosen) {
  if (name in LEFT_OUT || (name in state && args.length === 0)) continue;
  state[name] = await run(name, seconds);
  console.log(`${name}: ${state[name].native} / ${state[name].sandbox}`);
  await Deno.writeTextFile(stateFile, JSON.stringify(state));
}
await Deno.writeTextFile(DOCUMENT, document(state, seconds));
