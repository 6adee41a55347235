import assert from "node:assert/strict";
import { runsc } from "../support/runsc.ts";

Deno.test("the version is printed in the form that engines parse", async () => {
  for (const args of [["--version"], ["-v"], ["--root", "/nowhere", "--version"]]) {
    const { code, stdout, stderr } = await runsc(args);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^runsc version \d+\.\d+\.\d+\nspec: 1\.\d+\.\d+\n$/);
    assert.equal(stderr, "");
  }
});

Deno.test("help names every command and every global flag", async () => {
  const { code, stdout } = await runsc(["help"]);
  assert.equal(code, 0);
  for (
    const word of [
      "do ",
      "create ",
      "run ",
      "spec ",
      "help ",
      "--root",
      "--platform",
      "--log-format",
    ]
  ) {
    assert.ok(stdout.includes(word), word);
  }
  assert.equal((await runsc(["--help"])).stdout, stdout);
});

Deno.test("help of a command shows its usage, flags and an example", async () => {
  for (const args of [["help", "run"], ["run", "--help"], ["run", "-h"]]) {
    const { code, stdout } = await runsc(args);
    assert.equal(code, 0);
    assert.match(stdout, /Usage: runsc \[global flags\] run \[flags\] ID/);
    assert.match(stdout, /--bundle DIR/);
    assert.match(stdout, /Example/);
    assert.doesNotMatch(stdout, /no-pivot/);
  }
});

Deno.test("without a command the help is printed and the status is 1", async () => {
  const { code, stdout } = await runsc([]);
  assert.equal(code, 1);
  assert.match(stdout, /^runsc runs containers/);
});

const MISTAKES: [args: string[], message: RegExp][] = [
  [["--nonsense"], /^unknown flag --nonsense /],
  [["-x"], /^unknown flag -x /],
  [["-xyz"], /^unknown flag -x /],
  [["--nonsense=1", "do"], /^unknown flag --nonsense /],
  [["nonsense"], /^unknown command "nonsense" /],
  [[""], /^unknown command "" /],
  [["a\nb"], /^unknown command "a\\nb" /],
  [["help", "nonsense"], /^unknown command "nonsense" /],
  [["help", "a", "b"], /^too many arguments /],
  [["--platform", "vax", "do", "true"], /^flag --platform must be one of auto, .*, not "vax"/],
  [["--platform"], /^missing value of flag --platform /],
  [["--platform=", "do"], /^missing value of flag --platform /],
  [["--log-format", "xml", "help"], /^flag --log-format must be one of text, json, not "xml"/],
  [["--network", "x".repeat(5000), "help"], /^flag --network must be one of .{1,90} /],
  [["--log", "/nowhere/log", "help"], /^cannot open log \/nowhere\/log: /],
  [["do"], /^missing argument /],
  [["do", "--"], /^missing argument /],
  [["do", "--nonsense", "true"], /^unknown flag --nonsense /],
  [["do", "--env", "NAME", "true"], /^flag --env must be NAME=VALUE, not "NAME"/],
  [["do", "--env", "=x", "true"], /^flag --env must be NAME=VALUE, not "=x"/],
  [["do", "--tty", "maybe", "true"], /^flag --tty must be one of /],
  [["run"], /^missing argument /],
  [["run", "a", "b"], /^too many arguments /],
  [["run", "--bundle"], /^missing value of flag --bundle /],
  [["run", "--console-socket", "/s", "a"], /^cannot use flag --console-socket: /],
  [["run", ""], /^invalid container id "": it is empty/],
  [["run", "../x"], /^invalid container id "\.\.\/x": only letters/],
  [["run", "."], /^invalid container id "\.": it names a directory/],
  [["run", ".."], /^invalid container id "\.\.": it names a directory/],
  [["run", "a b"], /^invalid container id "a b": only letters/],
  [["run", "a\u001b[2J"], /^invalid container id "a\\u001b\[2J": only letters/],
  [["run", "x".repeat(5000)], /^invalid container id "x+…": it is longer than 1024 characters/],
  [["spec", "extra"], /^too many arguments /],
  [["spec", "--bundle", "/nowhere"], /^cannot write \/nowhere\/config\.json: no such file/],
];

for (const [args, message] of MISTAKES) {
  const shown = args.join(" ").slice(0, 60).replace(/[^ -~]/g, "?");
  Deno.test(`'${shown}' gives one clear line and status 1`, async () => {
    const { code, stdout, stderr } = await runsc(args);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /^runsc: [^\n]{1,400}\n$/);
    assert.match(stderr.slice("runsc: ".length), message);
  });
}

Deno.test("errors go to the log in runc's JSON form, and to standard error", async () => {
  const log = await Deno.makeTempFile();
  try {
    const flags = ["--log", log, "--log-format", "json"];
    const { code, stderr } = await runsc([...flags, "run", "--bundle", "/nowhere", "a"]);
    assert.equal(code, 1);
    const message = "cannot open bundle /nowhere: no such file or directory";
    assert.equal(stderr, `runsc: ${message}\n`);
    const [line, ...more] = (await Deno.readTextFile(log)).trimEnd().split("\n");
    assert.deepEqual(more, []);
    const { level, msg, time } = JSON.parse(line);
    assert.deepEqual({ level, msg }, { level: "error", msg: message });
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  } finally {
    await Deno.remove(log);
  }
});

Deno.test("a stack is shown only with --debug", async () => {
  assert.doesNotMatch((await runsc(["run", "--bundle", "/nowhere", "a"])).stderr, /\n {4}at /);
  assert.match((await runsc(["--debug", "run", "--bundle", "/nowhere", "a"])).stderr, /\n {4}at /);
});

Deno.test("long flags are taken with one dash, as Go programs take them", async () => {
  const { stderr } = await runsc(["-root", "/r", "run", "-bundle", "/nowhere", "a"]);
  assert.match(stderr, /cannot open bundle \/nowhere/);
});

Deno.test("flags of run may follow the container's id", async () => {
  const { stderr } = await runsc(["run", "a", "--bundle=/nowhere"]);
  assert.match(stderr, /cannot open bundle \/nowhere/);
});

Deno.test("spec writes a configuration that run accepts, and overwrites none", async () => {
  const bundle = await Deno.makeTempDir();
  try {
    assert.equal((await runsc(["spec", "--bundle", bundle])).code, 0);
    const first = await Deno.readTextFile(`${bundle}/config.json`);
    const { process, root, mounts, linux } = JSON.parse(first);
    assert.deepEqual(process.args, ["sh"]);
    assert.deepEqual(root, { path: "rootfs", readonly: true });
    assert.equal(mounts.length, 7);
    assert.equal(linux.namespaces.length, 5);
    const again = await runsc(["spec"], { cwd: bundle });
    assert.equal(again.code, 1);
    assert.match(again.stderr, /cannot write \.\/config\.json: file exists/);
    assert.equal(await Deno.readTextFile(`${bundle}/config.json`), first);
    // All that is missing now is the root file system.
    const { stderr } = await runsc(["run", "--bundle", bundle, "a"]);
    assert.match(stderr, /cannot open root file system .*\/rootfs: no such file or directory/);
  } finally {
    await Deno.remove(bundle, { recursive: true });
  }
});
