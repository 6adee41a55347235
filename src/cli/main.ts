/**
 * Where the program starts. All else is in a part of its own, of which the executable keeps the code that commands need.
 *
 * @module
 */

const { runCommandLine } = await import("./command_line.ts");
await runCommandLine();
