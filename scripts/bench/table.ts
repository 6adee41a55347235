/** The results as a Markdown table. */
import type { Benchmark, Goal, Yardstick } from "./suite.ts";
import type { Runtime } from "./runtimes.ts";

/** Best values by benchmark name and run-time key. */
export class Results {
  readonly #values = new Map<string, number[]>();

  add(benchmark: string, runtime: string, value: number): void {
    const key = `${benchmark}/${runtime}`;
    const list = this.#values.get(key);
    if (list === undefined) this.#values.set(key, [value]);
    else list.push(value);
  }

  /** The value of the best round, or undefined if none succeeded. */
  get(benchmark: string, runtime: string): number | undefined {
    const list = this.#values.get(`${benchmark}/${runtime}`);
    return list === undefined ? undefined : Math.min(...list);
  }

  /** The median of all rounds, or undefined if none succeeded. */
  median(benchmark: string, runtime: string): number | undefined {
    const list = this.#values.get(`${benchmark}/${runtime}`);
    return list?.toSorted((a, b) => a - b)[list.length >> 1];
  }

  /** All values of all rounds. */
  all(): Record<string, number[]> {
    return Object.fromEntries(this.#values);
  }
}

/** The table with a line for each benchmark that has results. */
export function renderTable(
  benchmarks: readonly Benchmark[],
  runtimes: readonly Runtime[],
  results: Results,
): string {
  const mailbox = results.median("mailbox", "native");
  const heads = ["", ...runtimes.map((r) => r.title), "× native", "× mailbox", "to reach", ""];
  const rows = [heads, heads.map((_, i) => i === 0 ? "---" : "--:")];
  rows[1][heads.length - 1] = "---";
  rows[1][heads.length - 2] = "---";
  for (const benchmark of benchmarks) {
    const own = results.get(benchmark.name, "runsc");
    const native = results.get(benchmark.name, "native");
    const values = runtimes.map((r) => {
      const value = benchmark.name === "mailbox"
        ? results.median(benchmark.name, r.key)
        : results.get(benchmark.name, r.key);
      return format(benchmark, value);
    });
    if (values.every((v) => v === "–")) continue;
    const outside = benchmark.program[0] === "sleeper";
    const byNative = own !== undefined && native !== undefined && !outside;
    const byMailbox = own !== undefined && mailbox !== undefined && own < 100 * mailbox;
    const goals = benchmark.goals ?? [];
    rows.push([
      benchmark.title,
      ...values,
      byNative ? ratio(own / native) : "",
      byMailbox && !outside && benchmark.name !== "compute" ? ratio(own / mailbox) : "",
      goals.map((goal) => describe(benchmark, goal)).join(", "),
      goals.map((goal) => verdict(benchmark, goal, results)).join(", "),
    ]);
  }
  return rows.map((row) => `| ${row.join(" | ")} |`).join("\n") + "\n";
}

function yardstick(benchmark: Benchmark, of: Yardstick, results: Results): number | undefined {
  const { name } = benchmark;
  switch (of) {
    case "absolute":
      return 1;
    case "mailbox":
      return results.median("mailbox", "native");
    case "slower of native and runc": {
      const native = results.get(name, "native");
      return native === undefined ? undefined : Math.max(native, results.get(name, "runc") ?? 0);
    }
    default:
      return results.get(name, of);
  }
}

function verdict(benchmark: Benchmark, goal: Goal, results: Results): string {
  const own = results.get(benchmark.name, "runsc");
  const base = yardstick(benchmark, goal.of, results);
  if (own === undefined || base === undefined) return "?";
  if (own <= goal.factor * base) return "reached";
  return goal.of === "absolute" ? "missed" : `missed (${ratio(own / base)}×)`;
}

function describe(benchmark: Benchmark, goal: Goal): string {
  if (goal.of === "absolute") return `≤ ${format(benchmark, goal.factor)}`;
  const factor = goal.of === "gvisor" && goal.factor < 0.5 ? "1/8" : ratio(goal.factor);
  const of = goal.of === "gvisor" ? "gVisor" : goal.of;
  return `≤ ${factor} × ${of}`;
}

function ratio(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(0);
}

function format(benchmark: Benchmark, value: number | undefined): string {
  if (value === undefined) return "–";
  if (benchmark.name === "sleeping_cpu") return `${(value * 100).toFixed(1)} %`;
  if (benchmark.program[0] === "sleeper") return `${(value / 1e6).toFixed(1)} MB`;
  if (value < 1000) return `${value < 100 ? value.toFixed(1) : value.toFixed(0)} ns`;
  if (value < 1e6) return `${(value / 1e3).toFixed(value < 1e5 ? 2 : 0)} µs`;
  return `${(value / 1e6).toFixed(value < 1e8 ? 2 : 0)} ms`;
}
