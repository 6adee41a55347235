/** Makes the platform that the configuration asks for. */

import { hasAction, trap } from "../../ffi/seccomp.ts";
import type { SandboxConfig } from "../container/config.ts";
import { RunscError } from "../container/error.ts";
import type { FrameAllocator } from "../sentry/mm/frames.ts";
import type { Platform } from "../sentry/platform/platform.ts";
import { PtracePlatform } from "../sentry/platform/ptrace/ptrace.ts";
import { Systrap } from "../sentry/platform/systrap/systrap.ts";
import { hasVirtualization } from "../sentry/platform/virtualization.ts";

/** Rounds that a stub looks at its word before it sleeps. */
const STUB_SPIN = 2000;
const KVM_DEVICE = "/dev/kvm";

/** Creates the platform; the seed of its stubs is on its way when this returns, where it has stubs. */
export function createPlatform(
  config: Pick<SandboxConfig, "platform">,
  frames: FrameAllocator,
  tell: (message: string) => void,
): Platform | Promise<Platform> {
  switch (config.platform) {
    case "auto":
      return mayHaveKvm(tell) ? kvmOrOther(frames, tell) : systrapOrPtrace(frames, tell);
    case "systrap":
      return systrap(frames);
    case "ptrace":
      return ptrace(frames);
    case "kvm":
      return kvmOnly(frames);
  }
}

function systrap(frames: FrameAllocator): Platform {
  return new Systrap({ pool: frames, memoryFd: frames.fd, stubSpin: STUB_SPIN });
}

function ptrace(frames: FrameAllocator): Platform {
  return new PtracePlatform({ pool: frames, memoryFd: frames.fd });
}

/** Tells cheaply where KVM need not be tried: most hosts of sandboxes are virtual machines themselves. */
function mayHaveKvm(tell: (message: string) => void): boolean {
  try {
    Deno.lstatSync(KVM_DEVICE);
  } catch {
    tell(`platform: not kvm: there is no ${KVM_DEVICE}`);
    return false;
  }
  if (hasVirtualization()) return true;
  tell("platform: not kvm: the processor offers neither VMX nor SVM");
  return false;
}

function systrapOrPtrace(frames: FrameAllocator, tell: (message: string) => void): Platform {
  if (hasAction(trap())) {
    tell("platform: systrap");
    return systrap(frames);
  }
  tell("platform: ptrace, as the host's seccomp has no traps");
  return ptrace(frames);
}

/** The modules of this platform are loaded only where it may work. */
async function kvmOrOther(
  frames: FrameAllocator,
  tell: (message: string) => void,
): Promise<Platform> {
  const { probeKvm } = await import("../sentry/platform/kvm/probe.ts");
  const platform = probeKvm(kvmOptions(frames));
  if (typeof platform !== "string") {
    tell("platform: kvm");
    return platform;
  }
  tell(`platform: not kvm: ${platform}`);
  return systrapOrPtrace(frames, tell);
}

async function kvmOnly(frames: FrameAllocator): Promise<Platform> {
  const { probeKvm } = await import("../sentry/platform/kvm/probe.ts");
  const platform = probeKvm(kvmOptions(frames));
  if (typeof platform !== "string") return platform;
  throw new RunscError({
    what: "cannot use the platform",
    on: "kvm",
    why: platform,
    hint: "use --platform systrap",
  });
}

function kvmOptions(frames: FrameAllocator) {
  return { pool: frames, vcpus: navigator.hardwareConcurrency, spin: STUB_SPIN };
}
