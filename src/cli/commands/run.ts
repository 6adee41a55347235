import { loadBundle } from "../../container/bundle.ts";
import { checkContainerId } from "../../container/container_id.ts";
import { RunscError, shorten } from "../../container/error.ts";
import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";
import { runSandbox } from "../sandbox.ts";

/** The command `run`: creates a container of a bundle, starts it, waits for it and takes over its exit status. */
export async function runRun(invocation: Invocation<typeof COMMAND_FLAGS.run>): Promise<number> {
  const { config, flags, args: [id], log } = invocation;
  checkContainerId(id);
  if (flags.detach) {
    const why = "a container runs as long as its command";
    throw new RunscError({ what: "flag --detach is not supported", why });
  }
  if (flags["console-socket"] !== null) {
    const why = "the container's terminal is this one unless it is detached";
    throw new RunscError({ what: "cannot use flag --console-socket", why });
  }
  const { path, rootfs, spec } = loadBundle(flags.bundle);
  return await runSandbox(spec, config, {
    id,
    bundle: path,
    rootfs,
    overlay: config.overlay === "memory" ? "memory" : "none",
    terminal: spec.process.terminal ?? false,
    consoleSocket: null,
    protectInit: true,
    pidFile: flags["pid-file"],
    preserveFds: count(flags["preserve-fds"]),
    log,
  });
}

function count(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  const on = JSON.stringify(shorten(text, 40));
  throw new RunscError({ what: "flag --preserve-fds must be a number, not", on });
}
