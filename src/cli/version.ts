import { SPEC_VERSION } from "../container/spec_version.ts";

/** Version of this program. */
export const VERSION = "0.1.0";

/** What `--version` prints, in the form that engines parse. */
export function versionText(): string {
  return `runsc version ${VERSION}\nspec: ${SPEC_VERSION}\n`;
}
