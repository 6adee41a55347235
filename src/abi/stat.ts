/**
 * File modes and statx(2) masks (inode(7)).
 */

// File types and permissions.
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o60000;
export const S_IFDIR = 0o40000;
export const S_IFCHR = 0o20000;
export const S_IFIFO = 0o10000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
export const S_IRWXU = 0o700;
export const S_IRUSR = 0o400;
export const S_IWUSR = 0o200;
export const S_IXUSR = 0o100;
export const S_IRWXG = 0o70;
export const S_IRGRP = 0o40;
export const S_IWGRP = 0o20;
export const S_IXGRP = 0o10;
export const S_IRWXO = 0o7;
export const S_IROTH = 0o4;
export const S_IWOTH = 0o2;
export const S_IXOTH = 0o1;

// statx(2).
export const STATX_TYPE = 0x00000001;
export const STATX_MODE = 0x00000002;
export const STATX_NLINK = 0x00000004;
export const STATX_UID = 0x00000008;
export const STATX_GID = 0x00000010;
export const STATX_ATIME = 0x00000020;
export const STATX_MTIME = 0x00000040;
export const STATX_CTIME = 0x00000080;
export const STATX_INO = 0x00000100;
export const STATX_SIZE = 0x00000200;
export const STATX_BLOCKS = 0x00000400;
export const STATX_BASIC_STATS = 0x000007ff;
export const STATX_BTIME = 0x00000800;
export const STATX_MNT_ID = 0x00001000;
export const STATX_DIOALIGN = 0x00002000;
export const STATX_ATTR_COMPRESSED = 0x00000004;
export const STATX_ATTR_IMMUTABLE = 0x00000010;
export const STATX_ATTR_APPEND = 0x00000020;
export const STATX_ATTR_NODUMP = 0x00000040;
export const STATX_ATTR_ENCRYPTED = 0x00000800;
export const STATX_ATTR_AUTOMOUNT = 0x00001000;
export const STATX_ATTR_MOUNT_ROOT = 0x00002000;
export const STATX_ATTR_VERITY = 0x00100000;
export const STATX_ATTR_DAX = 0x00200000;
export const STATX_MNT_ID_UNIQUE = 0x4000;
export const STATX_SUBVOL = 0x8000;
export const STATX_WRITE_ATOMIC = 0x10000;

// Types of directory entries.
export const DT_UNKNOWN = 0;
export const DT_FIFO = 1;
export const DT_CHR = 2;
export const DT_DIR = 4;
export const DT_BLK = 6;
export const DT_REG = 8;
export const DT_LNK = 10;
export const DT_SOCK = 12;
export const DT_WHT = 14;

// Inode flags of FS_IOC_GETFLAGS.
export const FS_SECRM_FL = 0x00000001;
export const FS_UNRM_FL = 0x00000002;
export const FS_COMPR_FL = 0x00000004;
export const FS_SYNC_FL = 0x00000008;
export const FS_IMMUTABLE_FL = 0x00000010;
export const FS_APPEND_FL = 0x00000020;
export const FS_NODUMP_FL = 0x00000040;
export const FS_NOATIME_FL = 0x00000080;
export const FS_DIRTY_FL = 0x00000100;
export const FS_COMPRBLK_FL = 0x00000200;
export const FS_NOCOMP_FL = 0x00000400;
export const FS_ENCRYPT_FL = 0x00000800;
export const FS_BTREE_FL = 0x00001000;
export const FS_INDEX_FL = 0x00001000;
export const FS_IMAGIC_FL = 0x00002000;
export const FS_JOURNAL_DATA_FL = 0x00004000;
export const FS_NOTAIL_FL = 0x00008000;
export const FS_DIRSYNC_FL = 0x00010000;
export const FS_TOPDIR_FL = 0x00020000;
export const FS_HUGE_FILE_FL = 0x00040000;
export const FS_EXTENT_FL = 0x00080000;
export const FS_VERITY_FL = 0x00100000;
export const FS_EA_INODE_FL = 0x00200000;
export const FS_EOFBLOCKS_FL = 0x00400000;
export const FS_NOCOW_FL = 0x00800000;
export const FS_DAX_FL = 0x02000000;
export const FS_INLINE_DATA_FL = 0x10000000;
export const FS_PROJINHERIT_FL = 0x20000000;
export const FS_CASEFOLD_FL = 0x40000000;
export const FS_RESERVED_FL = 0x80000000;

/** The `d_type` of a directory entry for a file mode. */
export function direntType(mode: number): number {
  return (mode & S_IFMT) >>> 12;
}

// Nanosecond values of utimensat(2) that are no times.
export const UTIME_NOW = 0x3fffffff;
export const UTIME_OMIT = 0x3ffffffe;
