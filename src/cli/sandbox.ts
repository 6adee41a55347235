import type { BootOptions, SandboxConfig } from "../container/config.ts";
import type { ContainerSpec } from "../container/oci_spec.ts";

/** Loads the code of the sandbox, which only commands that start one pay for. */
export async function loadSandbox() {
  const module = await import("../boot/boot.ts");
  const file = Deno.env.get("RUNSC_BOOT");
  if (file !== undefined) {
    // The executable has its modules in memory files; what is loaded needs them no longer.
    Deno.env.delete("RUNSC_BOOT");
    Deno.openSync(file, { write: true, truncate: true }).close();
  }
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
