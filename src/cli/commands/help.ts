import { RunscError, shorten } from "../../container/error.ts";
import { writeAll } from "../../container/log.ts";
import type { Command, Invocation } from "../command.ts";
import { COMMANDS } from "../commands.ts";
import type { FlagDeclarations } from "../flags.ts";
import { GLOBAL_FLAGS } from "../global_flags.ts";

type Row = [left: string, right: string];

/** The command `help`. */
export function runHelp({ args }: Invocation<Record<string, never>>): Promise<number> {
  printHelp(Deno.stdout, args[0]);
  return Promise.resolve(0);
}

/** Prints the help of one command, or of all. */
export function printHelp(target: { writeSync(bytes: Uint8Array): number }, name?: string): void {
  if (name === undefined) {
    writeAll(target, overview());
    return;
  }
  const command = COMMANDS.get(name);
  if (command === undefined) {
    const on = shorten(JSON.stringify(name), 60);
    throw new RunscError({ what: "unknown command", on, hint: "see 'runsc help'" });
  }
  writeAll(target, helpOf(name, command));
}

function overview(): string {
  const commands: Row[] = [...COMMANDS].filter(([, command]) => !command.hidden).map((
    [name, command],
  ) => [name, command.summary]);
  return `runsc runs containers on a Linux kernel written in TypeScript.

Usage: runsc [global flags] COMMAND [flags] [arguments]

Commands:
${table(commands)}
Global flags, before the command:
${table(flagRows(GLOBAL_FLAGS))}
'runsc help COMMAND' explains a command.
`;
}

function helpOf(name: string, command: Command): string {
  const flags = flagRows(command.flags);
  const examples = command.examples.map((example) => `  ${example}\n`).join("");
  return `runsc ${name}: ${command.summary}

Usage: runsc [global flags] ${name} ${command.usage}
${flags.length === 0 ? "" : `\nFlags:\n${table(flags)}`}
${command.examples.length === 1 ? "Example" : "Examples"}:
${examples}`;
}

function flagRows(flags: FlagDeclarations): Row[] {
  return Object.entries(flags).filter(([, flag]) => flag.hidden !== true).map(([name, flag]) => {
    const alias = flag.alias === undefined ? "    " : `-${flag.alias}, `;
    const value = flag.kind === "switch" ? "" : ` ${flag.choices?.join("|") ?? flag.metavar}`;
    const standard = flag.default === undefined ? "" : ` [${flag.default}]`;
    return [`${alias}--${name}${value}`, flag.description + standard];
  });
}

/** Rows in two columns; a left side that is too wide gets a line of its own. */
function table(rows: Row[]): string {
  const width = Math.min(32, Math.max(...rows.map(([left]) => left.length)));
  return rows.map(([left, right]) =>
    left.length <= width
      ? `  ${left.padEnd(width)}  ${right}\n`
      : `  ${left}\n  ${" ".repeat(width)}  ${right}\n`
  ).join("");
}
