import { type Command, command } from "./command.ts";
import type { FlagDeclarations } from "./flags.ts";

/** Flags of the commands that have any. */
export const COMMAND_FLAGS = {
  do: {
    cwd: {
      kind: "value",
      metavar: "DIR",
      description: "directory to start in [the current one]",
    },
    env: {
      kind: "list",
      alias: "e",
      metavar: "NAME=VALUE",
      description: "set an environment variable",
    },
    tty: {
      kind: "value",
      choices: ["auto", "true", "false"],
      default: "auto",
      description: "whether to give the program a terminal; auto gives one where there is one",
    },
    hostname: {
      kind: "value",
      metavar: "NAME",
      default: "runsc",
      description: "host name that the program sees",
    },
  },
  run: {
    bundle: {
      kind: "value",
      alias: "b",
      metavar: "DIR",
      default: ".",
      description: "directory of the bundle",
    },
    "console-socket": {
      kind: "value",
      metavar: "PATH",
      description: "unix socket that receives the container's terminal",
    },
    "pid-file": {
      kind: "value",
      metavar: "FILE",
      description: "file that receives the process id of the sandbox",
    },
    "preserve-fds": {
      kind: "value",
      metavar: "N",
      default: "0",
      description: "number of descriptors from 3 on that the container inherits",
    },
    detach: { kind: "switch", alias: "d", description: "leave the container to itself" },
    keep: { kind: "switch", hidden: true, description: "keep the state after the exit" },
    "no-pivot": { kind: "switch", hidden: true, description: "without effect" },
    "no-new-keyring": { kind: "switch", hidden: true, description: "without effect" },
    "no-subreaper": { kind: "switch", hidden: true, description: "without effect" },
  },
  spec: {
    bundle: {
      kind: "value",
      alias: "b",
      metavar: "DIR",
      default: ".",
      description: "directory to write to",
    },
    rootless: { kind: "switch", description: "for a user without the rights of root" },
  },
} as const satisfies Record<string, FlagDeclarations>;

/** Every command, in the order of the help. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map(Object.entries({
  do: command("do", {
    summary: "run a program of this machine in a sandbox",
    usage: "[flags] [--] PROGRAM [ARGUMENT...]",
    examples: ["runsc do -- bash -c 'uname -a; ls -l /'", "runsc do --cwd /tmp -- python3"],
    arity: [1, Infinity],
    stopAtArgument: true,
    flags: COMMAND_FLAGS.do,
    load: async () => (await import("./commands/do.ts")).runDo,
  }),
  run: command("run", {
    summary: "create and run a container of an OCI bundle",
    usage: "[flags] ID",
    examples: ["runsc run --bundle /var/lib/bundles/busybox box1"],
    arity: [1, 1],
    flags: COMMAND_FLAGS.run,
    load: async () => (await import("./commands/run.ts")).runRun,
  }),
  spec: command("spec", {
    summary: "write a config.json to start from",
    usage: "[flags]",
    examples: ["runsc spec --bundle /var/lib/bundles/busybox"],
    arity: [0, 0],
    flags: COMMAND_FLAGS.spec,
    load: async () => (await import("./commands/spec.ts")).runSpec,
  }),
  help: command("help", {
    summary: "explain the commands, or one of them",
    usage: "[COMMAND]",
    examples: ["runsc help run"],
    arity: [0, 1],
    flags: {},
    load: async () => (await import("./commands/help.ts")).runHelp,
  }),
}));
