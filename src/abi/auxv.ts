/**
 * Entries of the auxiliary vector (getauxval(3)). Linux names them AT_*; they are AUX_* here because the
 * flags of the *at() calls have that prefix too.
 */

export const AUX_SYSINFO_EHDR = 33;
export const AUX_NULL = 0;
export const AUX_IGNORE = 1;
export const AUX_EXECFD = 2;
export const AUX_PHDR = 3;
export const AUX_PHENT = 4;
export const AUX_PHNUM = 5;
export const AUX_PAGESZ = 6;
export const AUX_BASE = 7;
export const AUX_FLAGS = 8;
export const AUX_ENTRY = 9;
export const AUX_NOTELF = 10;
export const AUX_UID = 11;
export const AUX_EUID = 12;
export const AUX_GID = 13;
export const AUX_EGID = 14;
export const AUX_PLATFORM = 15;
export const AUX_HWCAP = 16;
export const AUX_CLKTCK = 17;
export const AUX_SECURE = 23;
export const AUX_BASE_PLATFORM = 24;
export const AUX_RANDOM = 25;
export const AUX_HWCAP2 = 26;
export const AUX_EXECFN = 31;
export const AUX_MINSIGSTKSZ = 51;
export const AUX_RSEQ_FEATURE_SIZE = 27;
export const AUX_RSEQ_ALIGN = 28;
