/** Programs of the host that making and running the emulated machine takes. */

/** Runs a program to its end; its standard output. Throws where it fails. */
export async function run(command: string[], cwd?: string): Promise<string> {
  const [program, ...args] = command;
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`${command.join(" ")} failed: ${new TextDecoder().decode(stderr).trim()}`);
}

/** Whether something is at a path. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Installs packages whose programs are missing: pairs of path and package. */
export async function install(wanted: readonly (readonly [string, string])[]): Promise<void> {
  const packages = wanted.filter(([path]) => !exists(path)).map(([, name]) => name);
  if (packages.length === 0) return;
  const options = ["-qq", "-o", "DPkg::Lock::Timeout=300"];
  try {
    await run(["apt-get", ...options, "install", "-y", "--no-install-recommends", ...packages]);
  } catch {
    await run(["apt-get", ...options, "update"]);
    await run(["apt-get", ...options, "install", "-y", "--no-install-recommends", ...packages]);
  }
}
