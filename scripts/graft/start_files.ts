import { DatabaseSync } from "node:sqlite";

/** The databases that Deno keeps in `DENO_DIR` of what it learnt of a module. */
const DATABASES = ["dep_analysis_cache_v2", "node_analysis_cache_v2", "v8_code_cache_v2"];

/**
 * What Deno would find in `DENO_DIR` had it run the executable before: the bundle's dependencies, so that it is not
 * parsed to find them, and V8's code, so that it is not compiled again.
 */
export function learnStartFiles(executable: string, training: string[][]): Map<string, Uint8Array> {
  const directory = Deno.makeTempDirSync({ prefix: "runsc-training-" });
  try {
    for (const args of training) {
      const { success, stderr } = new Deno.Command(executable, {
        args,
        env: { DENO_DIR: directory },
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).outputSync();
      if (!success) {
        throw new Error(`the executable failed: ${new TextDecoder().decode(stderr)}`);
      }
    }
    const files = new Map<string, Uint8Array>();
    for (const name of DATABASES) {
      const path = `${directory}/${name}`;
      using database = new DatabaseSync(path);
      // All in one file, and compact: this is copied at every start.
      database.exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE; VACUUM;");
      if (JOURNAL_MODE !== "delete") database.exec(`PRAGMA journal_mode=${JOURNAL_MODE}`);
      database.close();
      files.set(name, Deno.readFileSync(path));
    }
    return files;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
const JOURNAL_MODE = Deno.env.get("JM") ?? "delete";
