import { DatabaseSync } from "node:sqlite";

/** The databases that Deno keeps in `DENO_DIR` of what it learnt of a module. */
const DATABASES = ["dep_analysis_cache_v2", "node_analysis_cache_v2", "v8_code_cache_v2"];

/** V8's header of a code cache: magic, version, length of the source, hash of the flags, then the payload's own. */
const FLAG_HASH = { from: 12, to: 16 };

export interface TrainingOptions {
  /** Executable without start files. */
  executable: string;
  /** A command line that ends with success. */
  args: string[];
  /** Code of the program's parts by their names. */
  code: Map<string, Uint8Array>;
}

/**
 * What Deno would find in `DENO_DIR` had it run the executable before: the bundle's dependencies, so that it is not
 * parsed to find them, and V8's code, so that it is not compiled again.
 */
export function learnStartFiles(options: TrainingOptions): Map<string, Uint8Array> {
  const directory = train(options, {});
  try {
    takeOverCode(directory, options);
    const files = new Map<string, Uint8Array>();
    for (const name of DATABASES) {
      const path = `${directory}/${name}`;
      const database = new DatabaseSync(path);
      // All in one file, and compact: this is copied at every start. Deno wants a write-ahead log, and would change
      // the file if it found another mode.
      database.exec("PRAGMA journal_mode=DELETE; VACUUM; PRAGMA journal_mode=WAL;");
      database.close();
      files.set(name, Deno.readFileSync(path));
    }
    return files;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Runs the executable until Deno has nothing more to learn; the caller removes the directory. */
function train({ executable, args }: TrainingOptions, v8Flags: Record<string, string>): string {
  const directory = Deno.makeTempDirSync({ prefix: "runsc-training-" });
  try {
    for (let round = 0; round < 2; round++) {
      run(executable, args, { ...v8Flags, DENO_DIR: directory, RUNSC_TRAINING: "1" });
    }
  } catch (error) {
    Deno.removeSync(directory, { recursive: true });
    throw error;
  }
  return directory;
}

/**
 * Puts code that V8 compiled ahead of need into the cache: every function of the program itself, and those functions of
 * its parts that ran in training. V8 takes a cache only under the flags that it was made with, yet the flags of training
 * change when code is made, not what it is: the header gets the hash of the flags at run time.
 */
function takeOverCode(directory: string, options: TrainingOptions): void {
  const eager = train(options, { DENO_V8_FLAGS: "--no-lazy" });
  const from = new DatabaseSync(`${eager}/v8_code_cache_v2`);
  const to = new DatabaseSync(`${directory}/v8_code_cache_v2`);
  try {
    const select = "SELECT specifier, type, data FROM codecache";
    const update = to.prepare("UPDATE codecache SET data = ? WHERE specifier = ? AND type = ?");
    const compiled = from.prepare(select).all();
    const forget = to.prepare("DELETE FROM codecache WHERE specifier = ? AND type = ?");
    const missing = new Set(options.code.keys());
    for (const own of to.prepare(select).all()) {
      const part = /^file:\/\/\/runsc\/(.+)$/.exec(String(own.specifier))?.[1];
      const data = part === undefined
        ? compiled.find((row) => row.specifier === own.specifier && row.type === own.type)?.data
        : options.code.get(part);
      if (part !== undefined && data === undefined) {
        // What no training wants need not be copied at every start.
        forget.run(own.specifier, own.type);
        continue;
      }
      if (!(data instanceof Uint8Array) || !(own.data instanceof Uint8Array)) continue;
      data.set(own.data.subarray(FLAG_HASH.from, FLAG_HASH.to), FLAG_HASH.from);
      update.run(data, own.specifier, own.type);
      if (part !== undefined) missing.delete(part);
    }
    if (missing.size > 0) throw new Error(`Deno has learnt nothing of ${[...missing].join()}`);
  } finally {
    from.close();
    to.close();
    Deno.removeSync(eager, { recursive: true });
  }
}

/** A command line to learn from. */
export interface Training {
  args: string[];
  /** Whether it may end with another status than 0. */
  mayFail?: boolean;
}

/**
 * The code, by part of the program, of all functions that run when the executable made for learning runs these command
 * lines one after another.
 */
export function learnCode(
  executable: string,
  commands: Training[],
  directory: string,
): Map<string, Uint8Array> {
  const env = { RUNSC_LEARN: directory, DENO_DIR: `${directory}/deno` };
  for (const { args, mayFail } of commands) {
    try {
      run(executable, args, env);
    } catch (error) {
      if (!mayFail) throw error;
    }
  }
  const code = new Map<string, Uint8Array>();
  for (const { name } of Deno.readDirSync(directory)) {
    if (name.endsWith(".code")) {
      code.set(name.slice(0, -".code".length), Deno.readFileSync(`${directory}/${name}`));
    }
  }
  return code;
}

function run(executable: string, args: string[], env: Record<string, string>): void {
  const { success, stderr } = new Deno.Command(executable, {
    args,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).outputSync();
  if (!success) throw new Error(`the executable failed: ${new TextDecoder().decode(stderr)}`);
}
