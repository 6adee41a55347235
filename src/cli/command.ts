import type { SandboxConfig } from "../container/config.ts";
import { RunscError } from "../container/error.ts";
import type { Log } from "../container/log.ts";
import { type FlagDeclarations, type FlagValues, parseFlags } from "./flags.ts";

/** What every command is handed. */
export interface Context {
  config: SandboxConfig;
  log: Log;
}

/** What the code of one command is handed. */
export interface Invocation<D extends FlagDeclarations> extends Context {
  flags: FlagValues<D>;
  /** Arguments after the flags. */
  args: string[];
}

interface Description {
  readonly summary: string;
  /** Flags and arguments, as the usage line shows them. */
  readonly usage: string;
  readonly examples: readonly string[];
  /** For the program's own use, and left out of the help. */
  readonly hidden?: true;
}

/** A command as it is declared. */
export interface Declaration<D extends FlagDeclarations> extends Description {
  readonly flags: D;
  /** Fewest and most arguments. */
  readonly arity: readonly [number, number];
  /** Whether flags end at the first argument, because a program's own follow. */
  readonly stopAtArgument?: true;
  /** Loads the code, which nothing else loads: every start is paid for by its imports. */
  readonly load: () => Promise<(invocation: Invocation<D>) => Promise<number>>;
}

/** A command as the table of commands holds it. */
export interface Command extends Description {
  readonly flags: FlagDeclarations;
  /** Parses the arguments after the command's name and carries it out; resolves to the exit status. */
  run(argv: readonly string[], context: Context): Promise<number>;
}

/** Makes a command of its declaration. */
export function command<const D extends FlagDeclarations>(
  name: string,
  declaration: Declaration<D>,
): Command {
  const { flags: declared, arity: [fewest, most], stopAtArgument = false } = declaration;
  return {
    ...declaration,
    async run(argv, context) {
      const { flags, rest } = parseFlags(declared, argv, { stopAtArgument });
      if (rest.length < fewest || rest.length > most) {
        const what = rest.length < fewest ? "missing argument" : "too many arguments";
        throw new RunscError({ what, hint: `usage: runsc ${name} ${declaration.usage}` });
      }
      const body = await declaration.load();
      return await body({ ...context, flags, args: rest });
    },
  };
}
