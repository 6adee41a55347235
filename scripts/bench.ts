/**
 * Compares what programs pay for the kernel: natively, in our sandbox, in containers, in gVisor.
 *
 *     deno task bench [--filter NAME] [--rounds N] [--all] [--json] [--write]
 *
 * All run-times take turns within each benchmark, so that whatever else the machine does meets all of
 * them. A value is the median of a run; of several rounds the best one counts.
 *
 * @module
 */
import { Bundle } from "./bench/bundle.ts";
import { parseValues, run } from "./bench/process.ts";
import { describeMachine, writeDocument } from "./bench/report.ts";
import { findRuntimes, type Runtime } from "./bench/runtimes.ts";
import { watchSleeping } from "./bench/sleeping.ts";
import * as suite from "./bench/suite.ts";
import { renderTable, Results } from "./bench/table.ts";

const OWN = new URL("../dist/runsc", import.meta.url).pathname;
const RUN_SECONDS = 60;
/** Starts that are timed one after the other in each round. */
const STARTS = 5;

interface Options {
  filter: string;
  rounds: number;
  all: boolean;
  json: boolean;
  write: boolean;
}

function parseOptions(args: readonly string[]): Options {
  const options: Options = { filter: "", rounds: 3, all: false, json: false, write: false };
  for (let i = 0; i < args.length; i++) {
    const [flag, joined] = args[i].split("=", 2);
    const value = () => joined ?? args[++i] ?? fail(`${flag} needs a value`);
    if (flag === "--filter") options.filter = value();
    else if (flag === "--rounds") options.rounds = Number(value());
    else if (flag === "--all") options.all = true;
    else if (flag === "--json") options.json = true;
    else if (flag === "--write") options.write = true;
    else fail(`unknown flag ${args[i]}`);
  }
  if (!Number.isInteger(options.rounds) || options.rounds < 1) fail("--rounds takes a count");
  return options;
}

function fail(message: string): never {
  console.error(`bench: ${message}`);
  Deno.exit(2);
}

class Bench {
  readonly results = new Results();
  readonly runtimes: Runtime[];
  readonly #bundle: Bundle;
  readonly #options: Options;

  constructor(bundle: Bundle, options: Options) {
    this.#bundle = bundle;
    this.#options = options;
    this.runtimes = findRuntimes(OWN, `${bundle.directory}/state`, options.all);
  }

  async all(): Promise<void> {
    for (let round = 0; round < this.#options.rounds; round++) {
      await this.#mailbox();
      for (const benchmark of suite.BENCHMARKS) {
        if (benchmark.slow === true && round > 0) continue;
        if (benchmark.goals?.some((goal) => goal.of === "mailbox")) await this.#mailbox();
        await this.#each(benchmark, (runtime) => this.#values(benchmark, runtime));
      }
      await this.#each(suite.START, (runtime) => this.#starts(runtime));
      if (round === 0) await this.#each(suite.MEMORY, (runtime) => this.#sleeping(runtime));
    }
  }

  /** Measured again and again, for it changes with where the host puts the processors. */
  async #mailbox(): Promise<void> {
    if (navigator.hardwareConcurrency > 1) await this.#values(suite.MAILBOX, this.runtimes[0]);
  }

  async #each(benchmark: suite.Benchmark, measure: (r: Runtime) => Promise<void>): Promise<void> {
    if (!benchmark.name.includes(this.#options.filter)) return;
    for (const runtime of this.runtimes) {
      this.#bundle.configure(benchmark.program);
      try {
        await measure(runtime);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        console.error(`${benchmark.name}, ${runtime.title}: ${why}`);
        await runtime.cleanUp();
      }
    }
    const values = this.runtimes.map((r) => this.results.get(benchmark.name, r.key) ?? NaN);
    console.error(`${benchmark.name}: ${values.map((v) => Number(v.toPrecision(3))).join("  ")}`);
  }

  async #values(benchmark: suite.Benchmark, runtime: Runtime): Promise<void> {
    const [program, ...args] = runtime.command(this.#bundle, benchmark.program);
    const values = parseValues(await run(program, args, RUN_SECONDS));
    const value = values.get(benchmark.name);
    if (value === undefined) throw new Error("it printed no value");
    this.results.add(benchmark.name, runtime.key, value);
  }

  /** One identifier serves all starts, as each container is gone before the next. */
  async #starts(runtime: Runtime): Promise<void> {
    const command = runtime.command(this.#bundle, suite.START.program);
    const output = await run(this.#bundle.launcher, [String(STARTS), ...command], RUN_SECONDS);
    const value = parseValues(output).get(suite.START.name);
    if (value !== undefined) this.results.add(suite.START.name, runtime.key, value);
  }

  async #sleeping(runtime: Runtime): Promise<void> {
    const program = [...suite.MEMORY.program, "4"];
    this.#bundle.configure(program);
    const seen = await watchSleeping(runtime.command(this.#bundle, program));
    this.results.add(suite.MEMORY.name, runtime.key, seen.privateBytes);
    this.results.add(suite.PROPORTIONAL.name, runtime.key, seen.proportionalBytes);
    this.results.add(suite.IDLE.name, runtime.key, seen.cpu);
  }
}

const options = parseOptions(Deno.args);
const directory = await Deno.makeTempDir({ prefix: "runsc-bench-" });
try {
  const bench = new Bench(await Bundle.make(directory), options);
  await bench.all();
  const shown = [
    suite.MAILBOX,
    ...suite.BENCHMARKS,
    suite.START,
    suite.MEMORY,
    suite.PROPORTIONAL,
    suite.IDLE,
  ];
  if (options.json) {
    console.log(JSON.stringify({ machine: describeMachine(), values: bench.results.all() }));
  } else {
    const table = renderTable(shown, bench.runtimes, bench.results);
    console.log(`${describeMachine()}\n\n${table}`);
    if (options.write) writeDocument(table, options.rounds);
  }
} finally {
  await Deno.remove(directory, { recursive: true });
}
