/** Directories in which guest programs are looked for, natively and in the sandbox. */
export const PATH =
  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin:/usr/lib/go/bin";

/** Full path of a program of the host, or null. */
export function findTool(name: string): string | null {
  for (const directory of PATH.split(":")) {
    try {
      const info = Deno.statSync(`${directory}/${name}`);
      if (info.isFile && ((info.mode ?? 0) & 0o111) !== 0) return `${directory}/${name}`;
    } catch {
      // Not in this directory.
    }
  }
  return null;
}

/** Whether any of these programs is missing, which then is told once, for a test to be left out. */
export function isMissing(test: string, needs: string[]): boolean {
  const missing = needs.filter((name) => findTool(name) === null);
  if (missing.length > 0) {
    console.log(`left out: ${test}: no ${missing.join(", ")} on this machine`);
  }
  return missing.length > 0;
}
