/**
 * Mounts: mount(2), umount2(2), fsopen(2), move_mount(2), statfs(2).
 */

// mount(2).
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_SYNCHRONOUS = 16;
export const MS_REMOUNT = 32;
export const MS_MANDLOCK = 64;
export const MS_DIRSYNC = 128;
export const MS_NOSYMFOLLOW = 256;
export const MS_NOATIME = 1024;
export const MS_NODIRATIME = 2048;
export const MS_BIND = 4096;
export const MS_MOVE = 8192;
export const MS_REC = 16384;
export const MS_SILENT = 32768;
export const MS_POSIXACL = 0x10000;
export const MS_UNBINDABLE = 0x20000;
export const MS_PRIVATE = 0x40000;
export const MS_SLAVE = 0x80000;
export const MS_SHARED = 0x100000;
export const MS_RELATIME = 0x200000;
export const MS_I_VERSION = 0x800000;
export const MS_STRICTATIME = 0x1000000;
export const MS_LAZYTIME = 0x2000000;
export const MS_RMT_MASK = 0x2800051;
export const MS_MGC_VAL = 0xc0ed0000;
export const MS_MGC_MSK = 0xffff0000;

// umount2(2).
export const MNT_FORCE = 1;
export const MNT_DETACH = 2;
export const MNT_EXPIRE = 4;
export const UMOUNT_NOFOLLOW = 8;

// The calls of the new mount interface.
export const OPEN_TREE_CLONE = 1;
export const OPEN_TREE_CLOEXEC = 0x80000;
export const MOVE_MOUNT_F_SYMLINKS = 0x00000001;
export const MOVE_MOUNT_F_AUTOMOUNTS = 0x00000002;
export const MOVE_MOUNT_F_EMPTY_PATH = 0x00000004;
export const MOVE_MOUNT_T_SYMLINKS = 0x00000010;
export const MOVE_MOUNT_T_AUTOMOUNTS = 0x00000020;
export const MOVE_MOUNT_T_EMPTY_PATH = 0x00000040;
export const MOVE_MOUNT_SET_GROUP = 0x00000100;
export const MOVE_MOUNT__MASK = 0x00000177;
export const FSOPEN_CLOEXEC = 0x00000001;
export const FSPICK_CLOEXEC = 0x00000001;
export const FSPICK_SYMLINK_NOFOLLOW = 0x00000002;
export const FSPICK_NO_AUTOMOUNT = 0x00000004;
export const FSPICK_EMPTY_PATH = 0x00000008;
export const FSMOUNT_CLOEXEC = 0x00000001;
export const MOUNT_ATTR_RDONLY = 0x00000001;
export const MOUNT_ATTR_NOSUID = 0x00000002;
export const MOUNT_ATTR_NODEV = 0x00000004;
export const MOUNT_ATTR_NOEXEC = 0x00000008;
export const MOUNT_ATTR__ATIME = 0x00000070;
export const MOUNT_ATTR_RELATIME = 0x00000000;
export const MOUNT_ATTR_NOATIME = 0x00000010;
export const MOUNT_ATTR_STRICTATIME = 0x00000020;
export const MOUNT_ATTR_NODIRATIME = 0x00000080;
export const MOUNT_ATTR_IDMAP = 0x00100000;
export const MOUNT_ATTR_NOSYMFOLLOW = 0x00200000;
export const MOVE_MOUNT_BENEATH = 0x200;
export const FSCONFIG_SET_FLAG = 0;
export const FSCONFIG_SET_STRING = 1;
export const FSCONFIG_SET_BINARY = 2;
export const FSCONFIG_SET_PATH = 3;
export const FSCONFIG_SET_PATH_EMPTY = 4;
export const FSCONFIG_SET_FD = 5;
export const FSCONFIG_CMD_CREATE = 6;
export const FSCONFIG_CMD_RECONFIGURE = 7;
export const FSCONFIG_CMD_CREATE_EXCL = 8;

// Flags of statfs(2).
export const ST_RDONLY = 1;
export const ST_NOSUID = 2;
export const ST_NODEV = 4;
export const ST_NOEXEC = 8;
export const ST_SYNCHRONOUS = 16;
export const ST_VALID = 0x20;
export const ST_MANDLOCK = 64;
export const ST_NOATIME = 1024;
export const ST_NODIRATIME = 2048;
export const ST_RELATIME = 4096;
export const ST_NOSYMFOLLOW = 0x2000;

// Magic numbers of file systems.
export const ADFS_SUPER_MAGIC = 0xadf5;
export const AFFS_SUPER_MAGIC = 0xadff;
export const AFS_SUPER_MAGIC = 0x5346414f;
export const AUTOFS_SUPER_MAGIC = 0x0187;
export const CEPH_SUPER_MAGIC = 0x00c36400;
export const CODA_SUPER_MAGIC = 0x73757245;
export const CRAMFS_MAGIC = 0x28cd3d45;
export const DEBUGFS_MAGIC = 0x64626720;
export const SECURITYFS_MAGIC = 0x73636673;
export const SELINUX_MAGIC = 0xf97cff8c;
export const SMACK_MAGIC = 0x43415d53;
export const RAMFS_MAGIC = 0x858458f6;
export const TMPFS_MAGIC = 0x01021994;
export const HUGETLBFS_MAGIC = 0x958458f6;
export const SQUASHFS_MAGIC = 0x73717368;
export const ECRYPTFS_SUPER_MAGIC = 0xf15f;
export const EFS_SUPER_MAGIC = 0x414a53;
export const EXT2_SUPER_MAGIC = 0xef53;
export const EXT3_SUPER_MAGIC = 0xef53;
export const XENFS_SUPER_MAGIC = 0xabba1974;
export const EXT4_SUPER_MAGIC = 0xef53;
export const BTRFS_SUPER_MAGIC = 0x9123683e;
export const NILFS_SUPER_MAGIC = 0x3434;
export const F2FS_SUPER_MAGIC = 0xf2f52010;
export const HPFS_SUPER_MAGIC = 0xf995e849;
export const ISOFS_SUPER_MAGIC = 0x9660;
export const JFFS2_SUPER_MAGIC = 0x72b6;
export const XFS_SUPER_MAGIC = 0x58465342;
export const PSTOREFS_MAGIC = 0x6165676c;
export const EFIVARFS_MAGIC = 0xde5e81e4;
export const HOSTFS_SUPER_MAGIC = 0x00c0ffee;
export const OVERLAYFS_SUPER_MAGIC = 0x794c7630;
export const FUSE_SUPER_MAGIC = 0x65735546;
export const MINIX_SUPER_MAGIC = 0x137f;
export const MINIX2_SUPER_MAGIC = 0x2468;
export const MINIX3_SUPER_MAGIC = 0x4d5a;
export const MSDOS_SUPER_MAGIC = 0x4d44;
export const EXFAT_SUPER_MAGIC = 0x2011bab0;
export const NCP_SUPER_MAGIC = 0x564c;
export const NFS_SUPER_MAGIC = 0x6969;
export const OCFS2_SUPER_MAGIC = 0x7461636f;
export const OPENPROM_SUPER_MAGIC = 0x9fa1;
export const QNX4_SUPER_MAGIC = 0x002f;
export const QNX6_SUPER_MAGIC = 0x68191122;
export const AFS_FS_MAGIC = 0x6b414653;
export const REISERFS_SUPER_MAGIC = 0x52654973;
export const SMB_SUPER_MAGIC = 0x517b;
export const CIFS_SUPER_MAGIC = 0xff534d42;
export const SMB2_SUPER_MAGIC = 0xfe534d42;
export const CGROUP_SUPER_MAGIC = 0x27e0eb;
export const CGROUP2_SUPER_MAGIC = 0x63677270;
export const RDTGROUP_SUPER_MAGIC = 0x7655821;
export const TRACEFS_MAGIC = 0x74726163;
export const V9FS_MAGIC = 0x01021997;
export const BDEVFS_MAGIC = 0x62646576;
export const DAXFS_MAGIC = 0x64646178;
export const BINFMTFS_MAGIC = 0x42494e4d;
export const DEVPTS_SUPER_MAGIC = 0x1cd1;
export const BINDERFS_SUPER_MAGIC = 0x6c6f6f70;
export const PIPEFS_MAGIC = 0x50495045;
export const PROC_SUPER_MAGIC = 0x9fa0;
export const SOCKFS_MAGIC = 0x534f434b;
export const SYSFS_MAGIC = 0x62656572;
export const USBDEVICE_SUPER_MAGIC = 0x9fa2;
export const ANON_INODE_FS_MAGIC = 0x09041934;
export const BTRFS_TEST_MAGIC = 0x73727279;
export const NSFS_MAGIC = 0x6e736673;
export const BPF_FS_MAGIC = 0xcafe4a11;
export const AAFS_MAGIC = 0x5a3c69f0;
export const ZONEFS_MAGIC = 0x5a4f4653;
export const UDF_SUPER_MAGIC = 0x15013346;
export const DMA_BUF_MAGIC = 0x444d4142;
export const DEVMEM_MAGIC = 0x454d444d;
export const SECRETMEM_MAGIC = 0x5345434d;
export const CONFIGFS_MAGIC = 0x62656570;
export const MQUEUE_MAGIC = 0x19800202;

// setxattr(2).
export const XATTR_CREATE = 0x1;
export const XATTR_REPLACE = 0x2;

// swapon(2).
export const SWAP_FLAG_PREFER = 0x8000;
export const SWAP_FLAG_DISCARD = 0x10000;
