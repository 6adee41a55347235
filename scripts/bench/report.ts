/** Puts a measured table into the document. */

const DOCUMENT = new URL("../../docs/performance.md", import.meta.url).pathname;
const BEGIN = "<!-- table: begin -->\n";
const END = "<!-- table: end -->\n";

/** One line that says what machine the figures are from. */
export function describeMachine(): string {
  const info = Deno.readTextFileSync("/proc/cpuinfo");
  const model = /^model name\s*: (.*)$/m.exec(info)?.[1] ?? "unknown processor";
  const virtual = /^flags\s*:.*\bhypervisor\b/m.test(info) ? ", a virtual machine" : "";
  const kernel = Deno.osRelease().split("-")[0];
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const cores = navigator.hardwareConcurrency;
  return `${cores} cores of ${model}${virtual}, ${memory} GiB, Linux ${kernel}`;
}

/** Replaces the table in `docs/performance.md`. */
export function writeDocument(table: string, rounds: number): void {
  const text = Deno.readTextFileSync(DOCUMENT);
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${DOCUMENT} has no place for the table`);
  const note = `Measured on ${describeMachine()}; best of ${rounds} rounds.\n\n`;
  const head = text.slice(0, begin + BEGIN.length);
  Deno.writeTextFileSync(DOCUMENT, `${head}\n${note}${table}\n${text.slice(end)}`);
}
