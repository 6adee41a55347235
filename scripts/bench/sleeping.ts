/** What a sandbox uses whose program sleeps: memory and processor time, over all of its processes. */

/** Seconds that the use of the processor is watched; the program has to sleep longer. */
const WATCH = 2;
const TICKS_PER_SECOND = 100;

/** What was seen. */
export interface Sleeping {
  /** Bytes in pages that no other process maps. */
  privateBytes: number;
  /** Bytes, with pages that several map shared out among them. */
  proportionalBytes: number;
  /** Share of one processor. */
  cpu: number;
}

/** Runs a command line whose program prints `ready` and sleeps, and looks at its processes. */
export async function watchSleeping(command: readonly string[]): Promise<Sleeping> {
  const child = new Deno.Command(command[0], {
    args: command.slice(1),
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    signal: AbortSignal.timeout(30_000),
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  // What starting set going has to end before the sandbox counts as sleeping.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const pids = family(child.pid);
  const before = ticks(pids);
  await new Promise((resolve) => setTimeout(resolve, WATCH * 1000));
  const cpu = (ticks(pids) - before) / TICKS_PER_SECOND / WATCH;
  let privateBytes = 0;
  let proportionalBytes = 0;
  for (const pid of pids) {
    const text = read(`/proc/${pid}/smaps_rollup`);
    privateBytes += kilobytes(text, "Private_Clean") + kilobytes(text, "Private_Dirty");
    proportionalBytes += kilobytes(text, "Pss");
  }
  while (!(await reader.read()).done);
  await child.status;
  return { privateBytes: privateBytes * 1024, proportionalBytes: proportionalBytes * 1024, cpu };
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function kilobytes(rollup: string, field: string): number {
  return Number(new RegExp(`^${field}: +(\\d+) kB$`, "m").exec(rollup)?.[1] ?? 0);
}

/** The fields of a `stat` file of /proc after the name, which may hold anything. */
function statFields(pid: number): string[] {
  const text = read(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** A process and all that descend from it. */
function family(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const { name } of Deno.readDirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const parent = Number(statFields(pid)[1]);
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const found = [root];
  for (let i = 0; i < found.length; i++) found.push(...children.get(found[i]) ?? []);
  return found;
}

function ticks(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    const fields = statFields(pid);
    if (fields.length > 12) sum += Number(fields[11]) + Number(fields[12]);
  }
  return sum;
}
