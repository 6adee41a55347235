import * as libc from "../../../ffi/libc.ts";
import { loadBundle } from "../../container/bundle.ts";
import { enterGroups } from "../../container/cgroups.ts";
import { recordedCgroups } from "../../container/state.ts";
import { receivePacket, sendPacket } from "../../container/control/channel.ts";
import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";
import { descriptorCount, isRootless } from "../launch.ts";
import { runSandbox } from "../sandbox.ts";

const TIOCSCTTY = 0x540e;

/** The hidden command `boot`: the sandbox process of a container, which `create` starts. */
export async function runBoot(invocation: Invocation<typeof COMMAND_FLAGS.boot>): Promise<number> {
  const { config, flags, args: [id], log } = invocation;
  const preserveFds = descriptorCount(flags["preserve-fds"]);
  const control = 3 + preserveFds;
  const report = control + 1;
  const console = flags.console ? control + 2 : null;
  for (const fd of [control, report, control + 2]) libc.fcntl(fd, 2, 1);
  let ready = false;
  const warn = (message: string) => log.warning(message);
  const entered = flags.cgroups
    ? enterGroups(recordedCgroups(config.root, id), { rootless: isRootless(config), warn })
    : null;
  try {
    // For the news of windows that change their size.
    if (console !== null) libc.ioctl(console, TIOCSCTTY, 0);
    const { path, rootfs, spec } = loadBundle(flags.bundle);
    return await runSandbox(spec, config, {
      id,
      bundle: path,
      rootfs,
      overlay: config.overlay === "memory" ? "memory" : "none",
      terminal: spec.process.terminal ?? false,
      console,
      control,
      waitForStart: true,
      ownRoot: true,
      onReady() {
        ready = true;
        sendPacket(report, "ready");
        // Nobody knows of this sandbox if its creator dies before it has written that down.
        const answer = receivePacket(report);
        if (answer === null || typeof answer === "number") Deno.exit(1);
        libc.close(report);
      },
      onStarted: null,
      protectInit: true,
      preserveFds,
      log,
    }, entered);
  } catch (error) {
    if (ready) throw error;
    sendPacket(report, error instanceof Error ? error.message : String(error));
    return 1;
  }
}
