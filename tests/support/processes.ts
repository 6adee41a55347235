/** What /proc tells of the host's processes. */

export interface HostProcess {
  pid: number;
  parent: number;
  name: string;
}

/** All processes of the host that have not ended. */
export function hostProcesses(): HostProcess[] {
  const found: HostProcess[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const end = stat.lastIndexOf(")");
      const [state, parent] = stat.slice(end + 2).split(" ");
      if (state === "Z" || state === "X") continue;
      const comm = stat.slice(stat.indexOf("(") + 1, end);
      found.push({ pid: Number(name), parent: Number(parent), name: comm });
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

/** A process and all that descend from it. */
export function familyOf(pid: number): HostProcess[] {
  const all = hostProcesses();
  const family = all.filter((p) => p.pid === pid);
  for (const member of family) family.push(...all.filter((p) => p.parent === member.pid));
  return family;
}

/** Waits until a condition holds, and fails where it does not within 20 seconds. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not within 20 seconds: ${what}`);
}
