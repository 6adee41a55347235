/** Types of arguments of memory mappings. */

import * as mman from "../../abi/mman.ts";
import { Enumeration, FlagSet } from "../strace/format.ts";
import { type ArgType, choice, early, flags, onlyIf, pointer } from "./arg_types.ts";

export const protection: ArgType = flags(new FlagSet(mman, /^PROT_/, "PROT_"), "protection");

const mapNames = new FlagSet(
  mman,
  /^MAP_(?!SHARED|PRIVATE|TYPE|HUGE_|DROPPABLE|UNINIT)/,
  "MAP_",
);
const types = new Enumeration(mman, /^MAP_(SHARED|PRIVATE|SHARED_VALIDATE|DROPPABLE)$/, "MAP_");

export const mapFlags: ArgType = early("map flags", (v) => {
  const rest = (v & ~mman.MAP_TYPE) >>> 0;
  const type = types.print(v & mman.MAP_TYPE);
  return rest === 0 ? type : `${type}|${mapNames.print(rest)}`;
});
export const remapFlags: ArgType = flags(new FlagSet(mman, /^MREMAP_/, "MREMAP_"), "remap flags");
/** The new address of mremap(2), which only some flags give a meaning. */
export const remapAddress: ArgType = onlyIf(
  (call) => (call.args[3] & (mman.MREMAP_FIXED | mman.MREMAP_DONTUNMAP)) !== 0,
  pointer,
);
export const memoryAdvice: ArgType = choice(new Enumeration(mman, /^MADV_/, "MADV_"), "advice");
export const syncFlags: ArgType = flags(new FlagSet(mman, /^MS_/, "MS_"), "sync flags");
export const lockAllFlags: ArgType = flags(new FlagSet(mman, /^MCL_/, "MCL_"), "lock flags");
export const lockFlags: ArgType = flags(new FlagSet(mman, /^MLOCK_/, "MLOCK_"), "lock flags");
export const memfdFlags: ArgType = flags(
  new FlagSet(mman, /^MFD_(?!HUGE_)/, "MFD_"),
  "memfd flags",
);
export const memoryPolicy: ArgType = choice(
  new Enumeration(mman, /^MPOL_(?!F_|MF_|MODE)/, "MPOL_"),
  "memory policy",
);
