/** Makes the platform that the configuration asks for. */

import type { SandboxConfig } from "../container/config.ts";
import { RunscError } from "../container/error.ts";
import type { FrameAllocator } from "../sentry/mm/frames.ts";
import type { Platform } from "../sentry/platform/platform.ts";
import { PtracePlatform } from "../sentry/platform/ptrace/ptrace.ts";
import { Systrap } from "../sentry/platform/systrap/systrap.ts";

/** Rounds that a stub looks at its word before it sleeps. */
const STUB_SPIN = 2000;

/** Creates the platform; the seed of its stubs is on its way when this returns. */
export function createPlatform(
  config: Pick<SandboxConfig, "platform">,
  frames: FrameAllocator,
): Platform {
  switch (config.platform) {
    case "auto":
    case "systrap":
      return new Systrap({ pool: frames, memoryFd: frames.fd, stubSpin: STUB_SPIN });
    case "ptrace":
      return new PtracePlatform({ pool: frames, memoryFd: frames.fd });
    default:
      throw new RunscError({
        what: "unknown platform",
        on: config.platform,
        why: "this build has systrap and ptrace",
        hint: "use --platform systrap",
      });
  }
}
