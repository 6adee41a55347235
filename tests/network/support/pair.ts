/**
 * Two network namespaces of the host that are joined by a veth: in one of them runs a sandbox, in the other Linux's own
 * programs. Nothing else of the host's network is touched.
 *
 * @module
 */
import { defaultSpec } from "../../../src/container/default_spec.ts";
import type { OciSpec } from "../../../src/container/oci_spec.ts";
import { containerId } from "../../support/bundle.ts";
import { ENVIRONMENT } from "../../support/guest.ts";
import { type Outcome, type RunOptions, runProgram, runscPath } from "../../support/runsc.ts";
import { findTool } from "../../support/tools.ts";

export const PEER = "10.77.0.1";
export const GUEST = "10.77.0.2";
export const PEER6 = "fd77::1";
export const GUEST6 = "fd77::2";

let serial = 0;

async function must(command: string): Promise<void> {
  const { code, stderr } = await runProgram(command.split(" "));
  if (code !== 0) throw new Error(`${command}: ${stderr}`);
}

/** The two namespaces. */
export class Pair implements AsyncDisposable {
  readonly peer: string;
  readonly guest: string;
  readonly #children: Deno.ChildProcess[] = [];

  private constructor() {
    const name = `runsc-${Deno.pid}-${serial++}`;
    this.peer = `${name}p`;
    this.guest = `${name}g`;
  }

  static async create(): Promise<Pair> {
    const pair = new Pair();
    const { peer, guest } = pair;
    await must(`ip netns add ${peer}`);
    await must(`ip netns add ${guest}`);
    await must(`ip link add veth0 netns ${peer} type veth peer name eth0 netns ${guest}`);
    await must(`ip -n ${peer} addr add ${PEER}/24 dev veth0`);
    await must(`ip -n ${peer} addr add ${PEER6}/64 dev veth0 nodad`);
    await must(`ip -n ${guest} addr add ${GUEST}/24 dev eth0`);
    await must(`ip -n ${guest} addr add ${GUEST6}/64 dev eth0 nodad`);
    await must(`ip -n ${peer} link set lo up`);
    await must(`ip -n ${peer} link set veth0 up`);
    await must(`ip -n ${guest} link set eth0 up`);
    await must(`ip -n ${guest} route add default via ${PEER}`);
    await must(`ip -n ${guest} route add default via ${PEER6}`);
    return pair;
  }

  /** Runs a program of the host in the peer's namespace. */
  onPeer(command: string[], options: RunOptions = {}): Promise<Outcome> {
    return runProgram(["ip", "netns", "exec", this.peer, ...command], options);
  }

  /** Starts a server in the peer's namespace and waits until it has printed `ready`. */
  async serve(command: string[], ready: string): Promise<void> {
    const child = new Deno.Command("ip", {
      args: ["netns", "exec", this.peer, ...command],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#children.push(child);
    await waitFor(child.stdout, ready);
  }

  /** Runs a program in a sandbox on the host's root file system, in the guest's namespace. */
  async sandbox(platform: string, args: string[], options: SandboxOptions = {}): Promise<Outcome> {
    const child = await this.start(platform, args, options);
    return await child.end();
  }

  /** Starts a sandbox. */
  async start(platform: string, args: string[], options: SandboxOptions = {}): Promise<Running> {
    const bundle = await Deno.makeTempDir({ prefix: "runsc-net-" });
    const spec = JSON.parse(JSON.stringify(defaultSpec({ rootless: false }))) as OciSpec;
    if (spec.process === undefined || spec.root === undefined) throw new Error("no process");
    spec.process.args = args;
    spec.process.terminal = false;
    spec.process.env = Object.entries(ENVIRONMENT).map(([name, value]) => `${name}=${value}`);
    for (const set of Object.values(spec.process.capabilities ?? {})) {
      set.push("CAP_NET_RAW", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID");
    }
    spec.root.path = "/";
    spec.root.readonly = false;
    for (const namespace of spec.linux?.namespaces ?? []) {
      if (namespace.type === "network") namespace.path = `/run/netns/${this.guest}`;
    }
    options.change?.(spec);
    await Deno.writeTextFile(`${bundle}/config.json`, JSON.stringify(spec));
    const runsc = await runscPath();
    const flags = ["--overlay", "memory", "--platform", platform, ...(options.flags ?? [])];
    const child = new Deno.Command(runsc, {
      args: [...flags, "run", "--bundle", bundle, containerId()],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#children.push(child);
    return new Running(child, bundle);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It ended by itself.
      }
      await child.status;
    }
    await runProgram(["ip", "netns", "del", this.guest]);
    await runProgram(["ip", "netns", "del", this.peer]);
  }
}

export interface SandboxOptions {
  flags?: string[];
  change?: (spec: OciSpec) => void;
}

/** A sandbox under way. */
export class Running {
  readonly child: Deno.ChildProcess;
  readonly #bundle: string;
  readonly #errors: Promise<string>;
  #stdout = "";
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;

  constructor(child: Deno.ChildProcess, bundle: string) {
    this.child = child;
    this.#bundle = bundle;
    this.#errors = new Response(child.stderr).text();
  }

  /** Waits until the program has printed `text`. */
  async printed(text: string): Promise<void> {
    this.#reader ??= this.child.stdout.getReader();
    while (!this.#stdout.includes(text)) {
      const { done, value } = await this.#reader.read();
      if (done) throw new Error(`it ended without printing ${text}: ${this.#stdout}`);
      this.#stdout += new TextDecoder().decode(value);
    }
  }

  /** How it ended. */
  async end(): Promise<Outcome> {
    const errors = this.#errors;
    if (this.#reader === null) this.#stdout = await new Response(this.child.stdout).text();
    else {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        this.#stdout += new TextDecoder().decode(value);
      }
    }
    const { code } = await this.child.status;
    await Deno.remove(this.#bundle, { recursive: true });
    return { code, stdout: this.#stdout, stderr: await errors };
  }
}

async function waitFor(stream: ReadableStream<Uint8Array>, text: string): Promise<void> {
  let seen = "";
  const reader = stream.getReader();
  while (!seen.includes(text)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`a server ended without printing ${text}: ${seen}`);
    seen += new TextDecoder().decode(value);
  }
  // What it says from now on goes nowhere.
  (async () => {
    while (!(await reader.read()).done);
  })().catch(() => {});
}

let possible: Promise<boolean> | null = null;

/** Whether namespaces can be made here; the reason is told where not. */
export function canMakeNamespaces(): Promise<boolean> {
  return possible ??= (async () => {
    let why = "";
    if (Deno.uid() !== 0) why = "network namespaces are made by root only";
    else if (findTool("ip") === null) why = "no ip on this machine";
    else {
      try {
        await using _pair = await Pair.create();
      } catch (error) {
        why = String(error);
      }
    }
    if (why !== "") console.log(`left out: tests with network namespaces: ${why}`);
    return why === "";
  })();
}
