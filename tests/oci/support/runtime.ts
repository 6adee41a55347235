import { defaultSpec } from "../../../src/container/default_spec.ts";
import { type Outcome, type RunOptions, runProgram, runscPath } from "../../support/runsc.ts";

/** Members of `config.json` that a test sets; objects are merged, all else replaces. */
export type Changes = { [key: string]: unknown };

function merge(target: Record<string, unknown>, changes: Changes): void {
  for (const [key, value] of Object.entries(changes)) {
    const old = target[key];
    const isObject = (v: unknown): v is Record<string, unknown> =>
      typeof v === "object" && v !== null && !Array.isArray(v);
    if (isObject(old) && isObject(value)) merge(old, value);
    else target[key] = value;
  }
}

/** A place of its own for containers: root of the state, and bundles whose root file system is the host's, read-only. */
export class Runtime implements AsyncDisposable {
  readonly directory: string;
  readonly root: string;
  readonly executable: string;
  readonly flags: readonly string[];
  #bundles = 0;

  private constructor(directory: string, executable: string, flags: readonly string[]) {
    this.flags = flags;
    this.directory = directory;
    this.root = `${directory}/state`;
    this.executable = executable;
  }

  /** `flags` are global flags of every command. */
  static async open(...flags: string[]): Promise<Runtime> {
    const directory = await Deno.makeTempDir({ prefix: "runsc-oci-" });
    return new Runtime(directory, await runscPath(), flags);
  }

  /** Makes a bundle that runs `args`; returns its path. */
  bundle(args: string[], changes: Changes = {}): string {
    const path = `${this.directory}/bundle${++this.#bundles}`;
    Deno.mkdirSync(path);
    const spec = JSON.parse(JSON.stringify(defaultSpec({ rootless: false })));
    merge(spec, { process: { args, terminal: false }, root: { path: "/", readonly: true } });
    merge(spec, changes);
    Deno.writeTextFileSync(`${path}/config.json`, JSON.stringify(spec));
    return path;
  }

  /** Runs one command. */
  run(args: string[], options: RunOptions = {}): Promise<Outcome> {
    return runProgram([this.executable, "--root", this.root, ...this.flags, ...args], {
      timeout: 30_000,
      ...options,
    });
  }

  /** Runs one command and throws unless it succeeds; resolves to its output. */
  async must(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0) throw new Error(`runsc ${args.join(" ")}: status ${code}: ${stderr}`);
    return stdout;
  }

  /** Creates a container, whose output goes to a file of which the path is returned. */
  async create(id: string, bundle: string, ...flags: string[]): Promise<string> {
    const output = `${this.directory}/${id}.out`;
    // A shell between, so that nobody waits for the end of the container's output.
    const { code, stderr } = await runProgram([
      "/bin/sh",
      "-c",
      `out=$1; shift; "$@" >"$out" 2>"$out.err" </dev/null; s=$?; cat "$out.err" >&2; exit $s`,
      "sh",
      output,
      this.executable,
      "--root",
      this.root,
      ...this.flags,
      "create",
      "--bundle",
      bundle,
      ...flags,
      id,
    ], { timeout: 30_000 });
    if (code !== 0) throw new Error(`create ${id}: status ${code}: ${stderr}`);
    return output;
  }

  /** The state that `state` prints. */
  async state(id: string): Promise<Record<string, unknown>> {
    return JSON.parse(await this.must("state", id));
  }

  /** Waits until a container has ended by itself. */
  async ended(id: string): Promise<void> {
    await this.run(["wait", id]);
    for (let tries = 0; tries < 1000; tries++) {
      if ((await this.state(id)).status === "stopped") return;
    }
    throw new Error(`${id} does not end`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { stdout } = await this.run(["list", "--quiet"]);
    for (const id of stdout.split("\n").filter((line) => line !== "")) {
      await this.run(["delete", "--force", id]);
    }
    await Deno.remove(this.directory, { recursive: true });
  }
}
