import { findTool } from "../../support/tools.ts";
import { runProgram } from "../../support/runsc.ts";

const APPLETS = ["sh", "cat", "sleep", "echo", "id", "ls", "true", "env", "tty", "pwd", "hostname"];

/** Why a root file system of busybox alone can not be made here, or null. */
export async function whyNoBusybox(): Promise<string | null> {
  const busybox = findTool("busybox");
  if (busybox === null) return "no busybox on this machine";
  const { stdout } = await runProgram(["/bin/sh", "-c", 'ldd "$1" 2>&1 || true', "sh", busybox]);
  return /not a dynamic|statically/.test(stdout) ? null : "busybox is not linked statically";
}

/** Makes a root file system of busybox and its usual names. */
export function makeBusyboxRoot(path: string): void {
  for (const name of ["bin", "proc", "sys", "dev", "etc", "tmp"]) {
    Deno.mkdirSync(`${path}/${name}`, { recursive: true });
  }
  Deno.copyFileSync(findTool("busybox")!, `${path}/bin/busybox`);
  for (const name of APPLETS) Deno.symlinkSync("busybox", `${path}/bin/${name}`);
}

/** Tells that a test is left out, and why. */
export function leaveOut(test: string, why: string): void {
  console.log(`left out: ${test}: ${why}`);
}
