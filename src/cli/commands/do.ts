import { RunscError, shorten } from "../../container/error.ts";
import { hostSpec } from "../../container/host_spec.ts";
import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";
import { hostEnvironment } from "../invocation.ts";
import { runSandbox } from "../sandbox.ts";

/** The command `do`: runs a program of the host's root file system, whose writes go to memory. */
export async function runDo(invocation: Invocation<typeof COMMAND_FLAGS.do>): Promise<number> {
  const { config, flags, args, log } = invocation;
  const terminal = flags.tty === "auto"
    ? Deno.stdin.isTerminal() && Deno.stdout.isTerminal()
    : flags.tty === "true";
  const spec = hostSpec({
    args,
    env: mergeEnvironment(hostEnvironment(), flags.env),
    cwd: absoluteDirectory(flags.cwd),
    hostname: flags.hostname,
    terminal,
  });
  return await runSandbox(spec, config, {
    id: `do-${Deno.pid}`,
    bundle: "/",
    rootfs: "/",
    overlay: config.overlay === "none" ? "none" : "memory",
    terminal,
    console: null,
    control: null,
    waitForStart: false,
    ownRoot: false,
    onReady: null,
    onStarted: null,
    protectInit: false,
    preserveFds: 0,
    log,
  });
}

/** The host's variables, then those of the command line, which replace those of the same name. */
function mergeEnvironment(host: string[], given: string[]): string[] {
  const nameOf = (entry: string) => entry.slice(0, entry.indexOf("="));
  for (const entry of given) {
    if (entry.indexOf("=") > 0) continue;
    const on = JSON.stringify(shorten(entry));
    throw new RunscError({ what: "flag --env must be NAME=VALUE, not", on });
  }
  const replaced = new Set(given.map(nameOf));
  return [...host.filter((entry) => !replaced.has(nameOf(entry))), ...given];
}

function absoluteDirectory(given: string | null): string {
  if (given?.startsWith("/")) return given;
  let current: string;
  try {
    current = Deno.cwd();
  } catch {
    // A current directory that was removed has no name.
    current = "/";
  }
  return given === null ? current : `${current}/${given}`;
}
