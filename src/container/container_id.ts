import { RunscError, shorten } from "./error.ts";

const MAX_LENGTH = 1024;

/** Throws unless the name can be a container's: a single path component of harmless characters, as runc has it. */
export function checkContainerId(id: string): void {
  const refuse = (why: string) => {
    throw new RunscError({ what: "invalid container id", on: JSON.stringify(shorten(id)), why });
  };
  if (id === "") refuse("it is empty");
  if (id.length > MAX_LENGTH) refuse(`it is longer than ${MAX_LENGTH} characters`);
  if (!/^[A-Za-z0-9_+,.-]+$/.test(id)) refuse("only letters, digits and _ + , . - are allowed");
  if (id === "." || id === "..") refuse("it names a directory");
}
