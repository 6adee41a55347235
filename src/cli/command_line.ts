/** The command line: finds the command, runs it and ends the process with its exit status. */

import { isRunscError, RunscError, shorten } from "../container/error.ts";
import { type Log, openLog, writeAll } from "../container/log.ts";
import { COMMANDS } from "./commands.ts";
import { parseFlags } from "./flags.ts";
import { configOf, GLOBAL_FLAGS } from "./global_flags.ts";
import { commandLine, releaseStartFiles } from "./invocation.ts";
import { versionText } from "./version.ts";

/** Exit status of every failure of runsc itself, as with runc. */
const FAILURE = 1;

/** Runs one command line; resolves to the exit status. */
async function main(argv: readonly string[]): Promise<number> {
  let log: Log = openLog({ log: null, logFormat: "text", debug: false });
  try {
    const { flags, rest } = parseFlags(GLOBAL_FLAGS, argv, { stopAtArgument: true });
    const config = configOf(flags);
    log = openConfiguredLog(config);
    if (flags.version) {
      writeAll(Deno.stdout, versionText());
      return 0;
    }
    const [name, ...args] = rest;
    if (flags.help || name === undefined) {
      const { printHelp } = await import("./commands/help.ts");
      printHelp(Deno.stdout, name);
      return flags.help ? 0 : FAILURE;
    }
    const command = COMMANDS.get(name);
    if (command === undefined) {
      const on = shorten(JSON.stringify(name), 60);
      throw new RunscError({ what: "unknown command", on, hint: "see 'runsc help'" });
    }
    if (wantsHelp(args)) {
      const { printHelp } = await import("./commands/help.ts");
      printHelp(Deno.stdout, name);
      return 0;
    }
    return await command.run(args, { config, log });
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return FAILURE;
    report(error, log);
    return FAILURE;
  }
}

function openConfiguredLog(config: Parameters<typeof openLog>[0]): Log {
  try {
    return openLog(config);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RunscError({ what: "cannot open log", on: config.log ?? "", why });
  }
}

/** Whether the first of the command's arguments asks for its help. */
function wantsHelp(args: readonly string[]): boolean {
  return args[0] === "--help" || args[0] === "-h";
}

function report(error: unknown, log: Log): void {
  const message = error instanceof Error ? error.message : String(error);
  log.error(isRunscError(error) ? message : `internal error: ${message}`);
  // Engines read the log, people read standard error: both are told.
  if (log.toFile) openLog({ log: null, logFormat: "text", debug: false }).error(message);
  if (log.debugging && error instanceof Error && error.stack !== undefined) {
    try {
      writeAll(Deno.stderr, `${error.stack}\n`);
    } catch {
      // Nobody is there to read it.
    }
  }
}

/** Runs the command line of this process. */
export async function runCommandLine(): Promise<void> {
  const status = await main(commandLine());
  if (Deno.env.get("RUNSC_TRAINING") === undefined) {
    releaseStartFiles();
    Deno.exit(status);
  }
  // The build wants Deno to know all parts of the program, and to save that, which it does when the program ends by itself.
  const { loadSandbox } = await import("./sandbox.ts");
  await loadSandbox({ strace: true });
  Deno.exitCode = status;
}
