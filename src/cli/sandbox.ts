import type { BootOptions, SandboxConfig } from "../container/config.ts";
import type { ContainerSpec } from "../container/oci_spec.ts";
import { releaseStartFiles } from "./invocation.ts";

/** Loads the code of the sandbox, which only commands that start one pay for. */
export async function loadSandbox() {
  const module = await import("../boot/boot.ts");
  releaseStartFiles();
  return module;
}

/** Runs a container to its end; resolves to its exit status, 128+N when signal N ended it. */
export async function runSandbox(
  spec: ContainerSpec,
  config: SandboxConfig,
  options: BootOptions,
): Promise<number> {
  const { bootContainer } = await loadSandbox();
  return await bootContainer(spec, config, options);
}
