import { type Flags, typeFlag } from "type-flag";
import { RunscError, shorten } from "../container/error.ts";

/** One flag, declared once: parsing, help and documentation come from it. */
export interface FlagDeclaration {
  readonly kind: "switch" | "value" | "list";
  readonly description: string;
  readonly alias?: string;
  /** What stands for the value in the help. */
  readonly metavar?: string;
  readonly choices?: readonly string[];
  /** Names the value of a flag that is not given. */
  readonly default?: string;
  /** The value where none of the choices follows: other programs have the flag as a switch. */
  readonly bare?: string;
  /** Accepted because engines pass it, and left out of the help. */
  readonly hidden?: true;
}

export type FlagDeclarations = Record<string, FlagDeclaration>;

type ValueOf<F extends FlagDeclaration> = F["kind"] extends "switch" ? boolean
  : F["kind"] extends "list" ? string[]
  : F extends { choices: readonly (infer C)[] } ? F extends { default: string } ? C : C | null
  : F extends { default: string } ? string
  : string | null;

export type FlagValues<D extends FlagDeclarations> = { [K in keyof D]: ValueOf<D[K]> };

export interface Parsed<D extends FlagDeclarations> {
  flags: FlagValues<D>;
  /** What is left: the arguments, or from the first argument on everything. */
  rest: string[];
}

function usageError(why: string, on?: string): RunscError {
  return new RunscError({ what: why, on, hint: "see 'runsc help'" });
}

/** A value of the flag from the text on the command line. */
function parserOf(name: string, flag: FlagDeclaration): (text: string) => string {
  return (text) => {
    if (text === "") throw usageError("missing value of flag", `--${name}`);
    if (flag.choices !== undefined && !flag.choices.includes(text)) {
      const given = JSON.stringify(shorten(text, 40));
      throw usageError(`flag --${name} must be one of ${flag.choices.join(", ")}, not ${given}`);
    }
    return text;
  };
}

/**
 * Go programs take long flags with one dash too; the library takes `-abc` for three flags. A flag that may stand without a
 * value gets the one that it then has.
 */
function normalize(argument: string, next: string | undefined, flags: FlagDeclarations): string {
  const name = /^--?([a-z][a-z-]+)(=.*)?$/s.exec(argument)?.[1];
  if (name === undefined || !Object.hasOwn(flags, name)) return argument;
  const long = argument.startsWith("--") ? argument : `-${argument}`;
  const { bare, choices } = flags[name];
  const isBare = bare !== undefined && !long.includes("=") &&
    (next === undefined || choices?.includes(next) !== true);
  return isBare ? `${long}=${bare}` : long;
}

/**
 * Parses flags with the library. With `stopAtArgument` everything from the first argument on is left alone, as for
 * flags that stand before a command, or before the program to run.
 */
export function parseFlags<const D extends FlagDeclarations>(
  declarations: D,
  argv: readonly string[],
  { stopAtArgument = false }: { stopAtArgument?: boolean } = {},
): Parsed<D> {
  const schema: Flags = {};
  for (const [name, flag] of Object.entries(declarations)) {
    const alias = flag.alias === undefined ? {} : { alias: flag.alias };
    if (flag.kind === "switch") schema[name] = { type: Boolean, ...alias };
    else if (flag.kind === "list") schema[name] = { type: [parserOf(name, flag)], ...alias };
    else schema[name] = { type: parserOf(name, flag), ...alias };
  }
  const end = argv.indexOf("--");
  const remaining = argv.map((argument, index) =>
    end >= 0 && index > end ? argument : normalize(argument, argv[index + 1], declarations)
  );
  let stopped = false;
  const result = typeFlag(schema, remaining, {
    ignore: (type) => {
      if (stopAtArgument && type === "argument") stopped = true;
      return stopped;
    },
  });
  const unknown = Object.keys(result.unknownFlags)[0];
  if (unknown !== undefined) {
    throw usageError("unknown flag", oneFlag(unknown));
  }
  const flags: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(declarations)) {
    const value: unknown = result.flags[name];
    flags[name] = flag.kind === "switch" ? value === true : value ?? flag.default ?? null;
  }
  // What the library ignored stays in `remaining`, under the spelling that it was normalised to.
  const rest = stopAtArgument ? argv.slice(argv.length - remaining.length) : [...result._];
  if (stopAtArgument && rest[0] === "--") rest.shift();
  return { flags: flags as FlagValues<D>, rest };
}

function oneFlag(name: string): string {
  return shorten(name.length === 1 ? `-${name}` : `--${name}`, 60);
}
