/**
 * Runs guest programs natively and in sandboxes of all platforms, KVM's among them, on the stock kernel of a machine that
 * QEMU emulates, and tells where they differ.
 *
 *     deno task test:kvm [--filter WORD] [--platforms kvm,systrap,ptrace] [--verbose]
 *
 * @module
 */
import { parseArgs } from "node:util";
import { compileC } from "../tests/support/c_program.ts";
import { withoutPids } from "../tests/support/guest.ts";
import { compileIfStale } from "./compile.ts";
import { type Case, cases } from "./kvm/cases.ts";
import { EmulatedMachine } from "./kvm/emulated_machine.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const CACHE = Deno.env.get("RUNSC_KVM_CACHE") ?? "/var/tmp/runsc-kvm";
/** Seconds that the machine may take in all, one platform, and one program. */
const MACHINE_LIMIT = 840;
const PLATFORM_LIMIT = 480;
const CASE_LIMIT = 150;
const NATIVE = "native";

/** What a program did: its output with standard error, and its status. */
interface Result {
  status: string;
  output: string[];
}

const { values } = parseArgs({
  options: {
    filter: { type: "string" },
    platforms: { type: "string", default: "kvm,systrap,ptrace" },
    verbose: { type: "boolean", default: false },
    script: { type: "string" },
  },
});
const platforms = values.platforms.split(",");
const chosen = cases().filter(({ name }) => name.includes(values.filter ?? ""));

function casesFor(platform: string): Case[] {
  return chosen.filter(({ only }) => only === undefined || only === platform);
}

/** The script that every platform runs: each program, with marks around what it says. */
function driver(list: readonly Case[]): string {
  const lines = list.map(({ name, command }) =>
    `echo "@@ begin ${name}"; rm -rf /tmp/case; mkdir -p /tmp/case; cd /tmp/case
timeout -k 1 ${CASE_LIMIT} ${command} </dev/null 2>&1; echo "
@@ end $? ${name}"`
  );
  return `${lines.join("\n")}\n`;
}

/** The script that the machine runs: natively, then on each platform. */
function machineScript(): string {
  const environment = `export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/tmp LC_ALL=C
export PYTHONDONTWRITEBYTECODE=1 GIT_CONFIG_NOSYSTEM=1 TZ=UTC USER=root SHELL=/bin/bash
export GIT_AUTHOR_DATE=2024-01-02T03:04:05Z GIT_COMMITTER_DATE=2024-01-02T03:04:05Z
cd /tmp
`;
  if (values.script !== undefined) return environment + Deno.readTextFileSync(values.script);
  const runs = platforms.map((p) =>
    `echo "@@ platform ${p}"
timeout -k 1 ${PLATFORM_LIMIT} /trial/runsc --debug --platform ${p} do -- bash /trial/${p}.sh 2>&1
echo "@@ done $? $SECONDS"`
  );
  return `${environment}
echo "@@ auto"; timeout -k 1 60 /trial/runsc --debug --platform auto do -- true 2>&1 | grep platform:
echo "@@ platform ${NATIVE}"
bash /trial/${NATIVE}.sh 2>&1
echo "@@ done $? $SECONDS"
${runs.join("\n")}
`;
}

async function workDirectory(): Promise<string> {
  const work = await Deno.makeTempDir({ prefix: "runsc-kvm-work-" });
  await Deno.copyFile(await compileIfStale(), `${work}/runsc`);
  for (const { source, flags = [], program } of chosen) {
    if (source === undefined) continue;
    await Deno.copyFile(await compileC(ROOT + source, flags), `${work}/${program}`);
  }
  await Deno.writeTextFile(`${work}/${NATIVE}.sh`, driver(chosen));
  for (const p of platforms) await Deno.writeTextFile(`${work}/${p}.sh`, driver(casesFor(p)));
  await Deno.writeTextFile(`${work}/run.sh`, machineScript());
  return work;
}

/** Results by platform and program. */
function parse(output: string): Map<string, Map<string, Result>> {
  const all = new Map<string, Map<string, Result>>();
  let results = new Map<string, Result>();
  let current: Result | null = null;
  for (const line of output.split(/\r?\n/)) {
    const mark = /^@@ (platform|begin|end|done) ?(\S*) ?(.*)$/.exec(line);
    if (mark === null) {
      current?.output.push(line);
      continue;
    }
    const [, kind, first, rest] = mark;
    if (kind === "platform") all.set(first, results = new Map());
    else if (kind === "begin") {
      results.set(`${first} ${rest}`.trim(), current = { status: "none", output: [] });
    } else if (kind === "end") {
      if (current !== null) current.status = first;
      current = null;
    } else current = null;
  }
  return all;
}

/** What the shell says of a process without saying which it was, and where in which script. */
function withoutPlace(line: string): string {
  return withoutPids(line).replace(/^\/trial\/\w+\.sh: line \d+:/, "shell:");
}

function compare(name: string, expected: Result | undefined, got: Result | undefined): string[] {
  if (expected === undefined || expected.status === "none") return ["it did not end natively"];
  if (got === undefined) return ["it was not begun"];
  if (got.status === "none") return ["it did not end", ...got.output.slice(-5)];
  const problems: string[] = [];
  if (got.status !== expected.status) {
    problems.push(`status ${got.status}, natively ${expected.status}`);
  }
  const { normalize } = chosen.find((c) => c.name === name)!;
  const pick = (r: Result) => r.output.map(withoutPlace).map(normalize ?? ((line) => line));
  const a = pick(got);
  const b = pick(expected);
  for (let i = 0; i < Math.max(a.length, b.length) && problems.length < 6; i++) {
    if (a[i] !== b[i]) problems.push(`line ${i + 1}: ${a[i]} | natively: ${b[i]}`);
  }
  return problems;
}

const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000).toFixed(1).padStart(6);
const machine = new EmulatedMachine(CACHE);
await machine.prepare();
const work = await workDirectory();
console.log(`${seconds()} the machine starts`);
const { output, finished } = await machine.run(work, MACHINE_LIMIT, (line) => {
  if (
    values.verbose || values.script !== undefined ||
    /^@@ (platform|begin|done|auto)|runsc:/.test(line)
  ) {
    console.log(`${seconds()} ${line}`);
  }
});
await Deno.remove(work, { recursive: true });
if (values.script !== undefined) Deno.exit(finished ? 0 : 1);

const results = parse(output);
let passed = 0;
let failed = 0;
for (const platform of platforms) {
  for (const { name } of casesFor(platform)) {
    const problems = compare(
      name,
      results.get(NATIVE)?.get(name),
      results.get(platform)?.get(name),
    );
    if (problems.length === 0) passed++;
    else {
      failed++;
      console.log(`FAILED: ${name} (${platform})\n    ${problems.join("\n    ")}`);
    }
  }
}
if (platforms.includes("kvm") && !/platform: kvm/.test(output)) {
  failed++;
  console.log("FAILED: --platform=auto does not choose kvm");
}
if (!finished) {
  failed++;
  console.log("FAILED: the machine did not come to its end");
}
console.log(
  `${failed === 0 ? "ok" : "FAILED"} | ${passed} passed | ${failed} failed (${seconds().trim()} s)`,
);
Deno.exit(failed === 0 ? 0 : 1);
